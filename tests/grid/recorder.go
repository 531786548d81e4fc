package grid

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// portField is how a front tells the recorder which connection a request came over.
const portField = "X-Grid-Port"

// patience bounds whatever is waited for on one connection.
const patience = 60 * time.Second

// A Request is how a server understood some bytes.
type Request struct {
	Method string `json:"method"`
	Target string `json:"target"` // without scheme and authority
	Body   string `json:"body"`   // SHA-256 in hexadecimal digits, or "incomplete: …"
	Raw    []byte `json:"-"`      // as a front forwarded it, without portField
}

func (r Request) same(o Request) bool {
	return r.Method == o.Method && decoded(r.Target) == decoded(o.Target) && r.Body == o.Body
}

// decoded is a target with the escapes of its path resolved: a front may choose which bytes it escapes.
func decoded(target string) string {
	path, query, _ := strings.Cut(target, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	return path + "?" + query
}

// whole reports that the application could read the body to its end.
func (r Request) whole() bool { return !strings.HasPrefix(r.Body, "incomplete") }

// A Recorder is what a front forwards to: it keeps the bytes and answers 200. A front must send one request per connection.
type Recorder struct {
	ln   net.Listener
	busy sync.WaitGroup

	mu   sync.Mutex
	seen map[string][]Request // by the port of the front's client
}

// NewRecorder listens on a free port. Close ends it.
func NewRecorder() (*Recorder, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Recorder{ln: ln, seen: map[string][]Request{}}
	r.busy.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			r.busy.Go(func() { r.record(nc) })
		}
	})
	return r, nil
}

// Addr is where the recorder listens.
func (r *Recorder) Addr() string { return r.ln.Addr().String() }

// Close waits for all connections and returns what was recorded.
func (r *Recorder) Close() map[string][]Request {
	r.ln.Close()
	r.busy.Wait()
	return r.seen
}

func (r *Recorder) record(nc net.Conn) {
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience)) // if it fails, so does reading
	port, request := readForwarded(bufio.NewReader(nc))
	if port == "" || !request.whole() {
		return // not used, or given up by the front: no server takes that for a request
	}
	r.mu.Lock()
	r.seen[port] = append(r.seen[port], request)
	r.mu.Unlock()
	_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok") // a front that is gone needs no answer
}

// readForwarded reads one request as fronts write them: they frame every body themselves.
func readForwarded(br *bufio.Reader) (port string, request Request) {
	var raw bytes.Buffer
	length, chunked := 0, false
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return "", Request{}
		}
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimSpace(value)
		switch {
		case raw.Len() == 0:
			parts := strings.Split(strings.TrimSuffix(line, "\r\n"), " ")
			request.Method, request.Target = parts[0], origin(strings.Join(parts[1:max(1, len(parts)-1)], " "))
		case name == portField:
			port = value
			continue
		case strings.EqualFold(name, "Content-Length"):
			length, err = strconv.Atoi(value)
		case strings.EqualFold(name, "Transfer-Encoding"):
			chunked = true
		}
		if err != nil {
			request.Body = fmt.Sprintf("incomplete: %v", err)
			return port, request
		}
		raw.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	var body []byte
	var err error
	if chunked {
		body, err = readChunks(br, &raw)
	} else {
		body = make([]byte, length)
		_, err = io.ReadFull(io.TeeReader(br, &raw), body)
	}
	sum := sha256.Sum256(body)
	request.Body = hex.EncodeToString(sum[:])
	if err != nil {
		request.Body = fmt.Sprintf("incomplete: %v", err)
	}
	request.Raw = raw.Bytes()
	return port, request
}

// readChunks reads a chunked body and copies it to raw as it is.
func readChunks(br *bufio.Reader, raw *bytes.Buffer) (body []byte, err error) {
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return body, err
		}
		raw.WriteString(line)
		size, err := strconv.ParseUint(strings.TrimRight(line, "\r\n"), 16, 31)
		if err != nil {
			return body, err
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(br, chunk); err != nil {
			return body, err
		}
		raw.Write(chunk)
		if size == 0 {
			return body, nil
		}
		body = append(body, chunk[:size]...)
	}
}

// origin is a request target without scheme and authority.
func origin(target string) string {
	if strings.HasPrefix(target, "/") {
		return target
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return target
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		if rest = rest[i:]; rest[0] == '?' {
			rest = "/" + rest
		}
		return rest
	}
	return "/"
}
