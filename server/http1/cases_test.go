package http1_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// start runs a server on loopback until the test ends.
func start(t testing.TB, c http1.Config) (addr string, s *http1.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := http1.NewListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	s = http1.New(c)
	done := make(chan error, 1)
	go func() { done <- s.Serve(sockets) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http1.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
	return ln.Addr().String(), s
}

// echo answers what it saw and remembers it.
type echo struct {
	mu   sync.Mutex
	saw  []string
	away bool // answer from another goroutine
}

func (e *echo) ServeHTTP1(x *http1.Exchange) {
	body := x.InlineBody()
	if body == nil {
		var err error
		if body, err = io.ReadAll(x); err != nil {
			return // the engine answers the verdict
		}
	}
	text := httpcases.Echo(x.Request().Method, x.Request().Path, x.Request().RawQuery, body)
	if string(x.Request().Path) != "/canary" {
		e.mu.Lock()
		e.saw = append(e.saw, text)
		e.mu.Unlock()
	}
	answer := func() {
		if err := x.Start(200, nil); err != nil {
			panic(err)
		}
		if err := x.Finish([]byte(text)); err != nil {
			panic(err)
		}
	}
	if e.away {
		go answer()
	} else {
		answer()
	}
}

func (e *echo) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	saw := e.saw
	e.saw = nil
	return saw
}

// bench holds one server per combination of settings.
type bench struct {
	t       testing.TB
	away    bool
	servers map[httpcases.Settings]*server
}

type server struct {
	addr string
	echo *echo
}

func (b *bench) server(set httpcases.Settings) *server {
	if s := b.servers[set]; s != nil {
		return s
	}
	s := &server{echo: &echo{away: b.away}}
	c := http1.Config{
		Handler: s.echo,
		Limits: http1.Limits{
			RequestLine: set.RequestLine, Fields: set.Fields, FieldSize: set.FieldSize,
			HeadBytes: set.HeadBytes, Body: int64(set.Body),
		},
		Underscores: map[string]http1.Underscores{
			"refuse": http1.UnderscoreRefuse, "pass": http1.UnderscorePass,
		}[set.Underscores],
		PermitUnconventionalMethod: set.AnyMethod,
		MaxKeepAliveRequests:       set.MaxKeepAlives,
		OnPanic:                    func(_ *http1.Conn, v any, stack []byte) { b.t.Errorf("panic: %v\n%s", v, stack) },
	}
	s.addr, _ = start(b.t, c)
	b.servers[set] = s
	return s
}

func (b *bench) play(c *httpcases.Case, segments [][]byte) error {
	s := b.server(c.Settings)
	s.echo.take()
	answered, err := c.Play(s.addr, segments)
	saw := s.echo.take()
	switch {
	case err != nil:
		return err
	case !slices.Equal(saw, c.Saw):
		return fmt.Errorf("application saw %q, want %q", saw, c.Saw)
	}
	at := 0
	for _, a := range answered { // each answer belongs to its request; OPTIONS * has none
		if a == "" {
			continue
		}
		if at >= len(saw) || a != saw[at] {
			return fmt.Errorf("answer %q out of order in %q", a, saw)
		}
		at++
	}
	return nil
}

// run plays a case whole, in small pieces, and perhaps split everywhere.
func (b *bench) run(t *testing.T, c *httpcases.Case) {
	t.Helper()
	splits := []int{0, -1}
	if c.Nasty {
		for i := 1; i < min(len(c.Raw), 400); i++ {
			splits = append(splits, i)
		}
	}
	for _, at := range splits {
		if err := b.play(c, httpcases.Segments(c.Raw, at)); err != nil {
			t.Errorf("%s: %s (%s), split at %d: %v\nsent %.300q", c.File, c.Name, c.Rule, at, err, c.Raw)
			return
		}
	}
}

func TestTableOfWireCases(t *testing.T) {
	cases, err := httpcases.Load("../../tests/testdata/http")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 200 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("away=%v", away), func(t *testing.T) {
			b := &bench{t: t, away: away, servers: make(map[httpcases.Settings]*server)}
			for i := range cases {
				b.run(t, &cases[i])
			}
		})
	}
}
