package e2e

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// requests is a number of requests for a test; the environment can ask for the long run.
func requests(tb testing.TB, variable string, short int) int {
	tb.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A killer kills one random worker at a time with SIGKILL, again each time all workers are back, until stopped.
func killer(s *harness.Server, workers int, pause time.Duration) (stop func() int) {
	quit, done := make(chan struct{}), make(chan struct{})
	kills := 0
	go func() {
		defer close(done)
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				alive := s.Workers()
				if len(alive) < workers {
					continue
				}
				if syscall.Kill(alive[mrand.IntN(len(alive))], syscall.SIGKILL) == nil {
					kills++
				}
			}
		}
	}()
	return func() int { close(quit); <-done; return kills }
}

// Rows 58, 64 and 70: each answer belongs to the request that it answers, whatever happens to the workers.
// GOUNICORN_NONCE_REQUESTS asks for the long run.
func TestNoAnswerEverReachesAnotherRequest(t *testing.T) {
	total := requests(t, "GOUNICORN_NONCE_REQUESTS", 20_000)
	s := start(t, "echo:app", "-w", "4", "-t", "1", "--keep-alive", "30")
	stop := killer(s, 4, 150*time.Millisecond)
	var left, ok, failed, timedOut, late atomic.Int64
	left.Store(int64(total))
	const clients = 16
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			c := nonceClient{t: t, addr: s.Addr()}
			defer c.close()
			for left.Add(-1) >= 0 && !t.Failed() {
				nonce := rand.Text()
				path := "/nonce/" + nonce
				// A few requests answer just after they have timed out: the answer must go nowhere.
				if client == 0 && late.Add(1)%200 == 1 {
					path = "/late/1." + strconv.Itoa(mrand.IntN(9)) + "/" + nonce
				}
				switch status := c.exchange(http.MethodPost, path, nonce); status {
				case 200:
					ok.Add(1)
				case 502:
					failed.Add(1)
				case 504:
					timedOut.Add(1)
				case 0:
					return
				default:
					t.Errorf("status %d", status)
				}
			}
		})
	}
	all.Wait()
	kills := stop()
	t.Logf("%d answered, %d got 502, %d timed out, %d kills", ok.Load(), failed.Load(), timedOut.Load(), kills)
	if ok.Load() < int64(total)*9/10 || kills == 0 {
		t.Errorf("too little was proved: %d of %d answered, %d kills", ok.Load(), total, kills)
	}
	workerCount(t, s, 4)
	s.WantGet(t, "/", 200)
}

// A nonceClient keeps one connection and compares every answer with its question.
type nonceClient struct {
	t      *testing.T
	addr   string
	conn   net.Conn
	reader *bufio.Reader
}

func (c *nonceClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// exchange sends one request with the nonce in path, header and body and returns the status, 0 after an error.
func (c *nonceClient) exchange(method, path, nonce string) int {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			c.t.Errorf("connect: %v", err)
			return 0
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: test\r\nX-Nonce: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, nonce, len(nonce), nonce)
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Errorf("no response: %v", err)
		return 0
	}
	text, err := io.ReadAll(response.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF): // the worker died in the middle of its answer
		c.close()
		return http.StatusBadGateway
	case err != nil:
		c.t.Errorf("body: %v", err)
		return 0
	}
	if response.Close {
		c.close()
	}
	if response.StatusCode != http.StatusOK {
		return response.StatusCode
	}
	var echo harness.Echo
	if err := json.Unmarshal(text, &echo); err != nil {
		c.t.Errorf("answer %.200q: %v", text, err)
		return 0
	}
	if echo.NoncePath != path || echo.NonceHeader != nonce || echo.Body != nonce || response.Header.Get("X-Nonce") != nonce {
		c.t.Errorf("MIX-UP: the request %s got the answer of %s, header %s, body %s", path, echo.NoncePath, echo.NonceHeader, echo.Body)
	}
	return response.StatusCode
}

// Row 64: under kills from outside no GET is lost: what had not started is handed on, what had is tried once more.
// GOUNICORN_KILL_REQUESTS asks for the long run.
func TestNoGetIsLostWhileWorkersAreKilled(t *testing.T) {
	total := requests(t, "GOUNICORN_KILL_REQUESTS", 2_000)
	s := start(t, "echo:app", "-w", "3", "--keep-alive", "30")
	stop := killer(s, 3, 100*time.Millisecond)
	failed := flood(t, s, total, func(int) (method, path string) { return http.MethodGet, "/started/" + rand.Text() })
	kills := stop()
	for path, status := range failed {
		t.Errorf("GET %s got %d", path, status)
	}
	t.Logf("%d requests, %d kills, %d lost", total, kills, len(failed))
	if kills < 3 {
		t.Errorf("too little was proved: %d kills", kills)
	}
}

// Row 64: of requests that may not be repeated exactly those fail whose own worker died, each was started once, and
// those that waited beside them lose nothing.
func TestOnlyThePostsWhoseWorkerDiedFail(t *testing.T) {
	total := requests(t, "GOUNICORN_KILL_REQUESTS", 2_000)
	s := start(t, "echo:app", "-w", "3", "--keep-alive", "30")
	var dying atomic.Int64
	failed := flood(t, s, total, func(n int) (method, path string) {
		if n%100 == 50 {
			dying.Add(1)
			return http.MethodPost, "/started-and-dies/" + rand.Text()
		}
		return http.MethodPost, "/started/" + rand.Text()
	})
	started := map[string]int{}
	for _, nonce := range s.Marks("started") {
		started[nonce]++
	}
	for path, status := range failed {
		if status != http.StatusBadGateway || !strings.HasPrefix(path, "/started-and-dies/") {
			t.Errorf("POST %s got %d although its worker lived", path, status)
		}
	}
	if len(failed) != int(dying.Load()) || len(started) != total {
		t.Errorf("%d failed, %d workers died; %d of %d were started", len(failed), dying.Load(), len(started), total)
	}
	for nonce, n := range started {
		if n != 1 {
			t.Errorf("request %s was started %d times", nonce, n)
		}
	}
}

// flood sends requests from several connections at once and returns the paths that did not get 200, with the status.
func flood(t *testing.T, s *harness.Server, total int, next func(n int) (method, path string)) map[string]int {
	t.Helper()
	var sent atomic.Int64
	var mu sync.Mutex // guards failed
	failed := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := nonceClient{t: t, addr: s.Addr()}
			defer c.close()
			for n := sent.Add(1); n <= int64(total); n = sent.Add(1) {
				method, path := next(int(n))
				status := c.exchange(method, path, rand.Text())
				if status != http.StatusOK {
					mu.Lock()
					failed[path] = status
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return failed
}

// The same with a client that is cut off at random: what it leaves behind must not disturb anybody.
func TestClientsThatLeaveAtRandomDisturbNobody(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "2", "--keep-alive", "30")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				raw := fmt.Sprintf("POST /leaving HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\n%s", strings.Repeat("l", 50))
				conn, err := net.Dial("tcp", s.Addr())
				if err != nil {
					t.Errorf("connect: %v", err)
					return
				}
				io.WriteString(conn, raw[:mrand.IntN(len(raw)+1)])
				if mrand.IntN(2) == 0 {
					conn.(*net.TCPConn).SetLinger(0)
				}
				conn.Close()
			}
		})
	}
	for range 4 {
		all.Go(func() {
			c := nonceClient{t: t, addr: s.Addr()}
			defer c.close()
			for range 200 {
				nonce := rand.Text()
				if status := c.exchange(http.MethodPost, "/nonce/"+nonce, nonce); status != http.StatusOK {
					t.Errorf("got %d", status)
					return
				}
			}
		})
	}
	all.Wait()
	if n := len(s.Booted()); n != 2 {
		t.Errorf("%d workers were booted", n)
	}
}
