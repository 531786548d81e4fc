package http1_test

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// TestDifferenceToTheStandardLibrary plays the table against net/http: we must
// refuse whatever it refuses, but for the cases named here, and it must accept
// what we built this engine to refuse. A change in either direction, of ours
// or of the toolchain, is to be looked at.
func TestDifferenceToTheStandardLibrary(t *testing.T) {
	cases, err := httpcases.Load("../../tests/testdata/http")
	if err != nil {
		t.Fatal(err)
	}
	addr := standardServer(t)
	// Accepted by us only; each for the reason given.
	weaker := map[string]string{
		"one empty line before the request line is ignored": "RFC 9112 2.2 SHOULD",
		"one empty line between two requests is ignored":    "RFC 9112 2.2 SHOULD",
		"extension with white space where it may be":        "RFC 9112 7.1.1 MUST for BWS",
	}
	// Accepted by net/http only: why the engine is ours (G- rows).
	stricter := []string{
		"LF alone ends no line", "folded field", "folded Transfer-Encoding", "folded Host",
		"Content-Length with Transfer-Encoding", "two equal Content-Lengths", "HTTP/1.0 with Transfer-Encoding",
		"TRACE is not served", "CONNECT is not served", "version HTTP/1.2",
		"method text get", "a fragment", "Host empty", "Host with a comma", "Host with port 99999999", "two Content-Types",
		"101 fields by default", "GET with asterisk-form", "chunk size text 3_",
	}
	var accepted []string
	for i := range cases {
		c := &cases[i]
		if c.Settings != (httpcases.Settings{}) {
			continue
		}
		we := !slices.ContainsFunc(c.Status, func(s int) bool { return s >= 400 })
		they := standardAccepts(t, addr, c)
		if they && !we {
			accepted = append(accepted, c.Name)
		}
		if reason := weaker[c.Name]; we && !they && reason == "" {
			t.Errorf("%s: %s: net/http refuses it and we do not", c.File, c.Name)
		}
	}
	t.Logf("net/http accepts %d cases that we refuse", len(accepted))
	for _, name := range stricter {
		if !slices.Contains(accepted, name) {
			t.Errorf("net/http refuses %q by now, or the case is gone", name)
		}
	}
}

func standardServer(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		ReadTimeout: 2 * time.Second,
		ErrorLog:    log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(400)
			}
		}),
	}
	go func() { _ = s.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

// standardAccepts reports whether net/http gave as many good answers as we
// gave answers, and no bad one.
func standardAccepts(t *testing.T, addr string, c *httpcases.Case) bool {
	t.Helper()
	cl := dial(t, addr)
	_, _ = cl.nc.Write(c.Raw) // may be refused early
	_ = cl.nc.CloseWrite()
	defer cl.nc.Close()
	br := bufio.NewReader(cl.nc)
	good := 0
	for {
		res, err := http.ReadResponse(br, &http.Request{Method: map[bool]string{true: "HEAD", false: "GET"}[c.Head || strings.HasPrefix(string(c.Raw), "HEAD")]})
		if err != nil {
			return good >= len(c.Status)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode >= 400 {
			return false
		}
		good++
	}
}
