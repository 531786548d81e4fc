package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// patience bounds a step that a server must answer soon.
const patience = 20 * time.Second

// responseSize is that of the answers that nobody reads in time: more than sockets hold.
const responseSize = 512 << 10

// A kind is one way to be a nuisance.
type kind struct {
	name  string
	count int
	// begin makes the connection a nuisance; the server must hold it then. After it, again is called every pace until the crowd leaves.
	begin func(nc net.Conn) error
	again func(nc net.Conn) error
	pace  time.Duration
	wants int // calls of the application that each of them causes
}

var kinds = []kind{
	{name: "slow uploader", count: 200, begin: write("POST /crowd HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"), again: write(strings.Repeat("u", 1024)), pace: time.Second},
	{name: "slow chunked uploader", count: 50, begin: write("POST /crowd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), again: write("1\r\nu\r\n"), pace: time.Second},
	{name: "uploader that waits for 100", count: 50, begin: write("POST /crowd HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")},
	{name: "slow reader", count: 200, begin: slowReader, again: readByte, pace: 100 * time.Millisecond, wants: 1},
	{name: "slow reader of a file", count: 50, begin: write("GET /files/large HTTP/1.1\r\nHost: x\r\n\r\n"), again: readByte, pace: 100 * time.Millisecond},
	{name: "reader with a closed window", count: 50, begin: slowReader, wants: 1},
	{name: "slowloris", count: 200, begin: write("GET / HTTP/1.1\r\nHost: x\r\n"), again: write("X"), pace: 500 * time.Millisecond},
	{name: "slowloris with a large head", count: 100, begin: write("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Large: "+strings.Repeat("x", 8000)+"\r\n", 5)), again: write("X"), pace: 500 * time.Millisecond},
	{name: "idle from the start", count: 200, begin: write("")},
	{name: "idle after a request", count: 200, begin: idle},
	{name: "half closed", count: 50, begin: halfClosed},
}

func write(text string) func(net.Conn) error {
	return func(nc net.Conn) error {
		_, err := io.WriteString(nc, text)
		return err
	}
}

// slowReader asks for a large answer with hardly any room to receive it.
func slowReader(nc net.Conn) error {
	return write(fmt.Sprintf("GET /big/%d/crowd HTTP/1.1\r\nHost: x\r\n\r\n", responseSize))(nc)
}

func readByte(nc net.Conn) error {
	_, err := nc.Read(make([]byte, 1))
	return err
}

func idle(nc net.Conn) error { return ask(nc, "/pid") }

// halfClosed ends its side right behind the request, and is answered all the same (row 21).
func halfClosed(nc net.Conn) error {
	if err := write("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")(nc); err != nil {
		return err
	}
	if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	if err := answered(nc); !errors.Is(err, errUnavailable) {
		return err
	}
	return nil // it waited for a second while the crowd arrived: it may have left, and costs no worker
}

func ask(nc net.Conn, path string) error {
	if err := write("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")(nc); err != nil {
		return err
	}
	return answered(nc)
}

var errUnavailable = errors.New("answered with 503")

func answered(nc net.Conn) error {
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		return errUnavailable
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with %s", response.Status)
	}
	return nil
}

// smallWindow keeps what the kernel receives for a client that does not read small, and, by segments as on a network, what it keeps for
// the server to send: with those of loopback, that would be megabytes.
var smallWindow = net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) {
		err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460))
	})
	if failed != nil {
		return failed
	}
	return err
}}

// A dialer opens a connection for a member of the crowd.
type dialer func(ctx context.Context) (net.Conn, error)

func plain(addr string) dialer {
	return func(ctx context.Context) (net.Conn, error) { return smallWindow.DialContext(ctx, "tcp", addr) }
}

func encrypted(addr string, config *tls.Config) dialer {
	d := &tls.Dialer{NetDialer: &smallWindow, Config: config}
	return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
}

// attend is one member of the crowd: it tells of its arrival and is a nuisance until the context ends or the server cuts it off.
func (k *kind) attend(ctx context.Context, dial dialer, arrived chan<- error) {
	nc, err := dial(ctx)
	if err != nil {
		arrived <- fmt.Errorf("%s: %w", k.name, err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience)) // if it fails, so does begin
	if err := k.begin(nc); err != nil {
		arrived <- fmt.Errorf("%s: %w", k.name, err)
		return
	}
	arrived <- nil
	_ = nc.SetDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	if k.again == nil {
		<-ctx.Done()
		return
	}
	pace := time.NewTicker(k.pace)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
			if k.again(nc) != nil {
				return // cut off, as it should be
			}
		}
	}
}
