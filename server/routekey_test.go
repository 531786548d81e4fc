package server

import (
	"bytes"
	"fmt"
	"net"
	"testing"
)

// The key that an operator asks for is the one that the request gets.
func TestRouteKeyIsThatOfRequests(t *testing.T) {
	keys := make(chan string, 1)
	addr, _ := start(t, &fakeApp{serve: func(c *Call) {
		keys <- string(c.Key)
		_ = c.Head(200, head("OK", nil, ""), nil, true)
	}}, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, target := range []string{"/", "/contract/7/download?page=3", "/caf%C3%A9/%37", "http://host/a/12?b", "http://host", "/a//b/", "/x%2F1/2026-11-22-news"} {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: host\r\n\r\n", target)
		got, err := RouteKey("GET", target)
		if want := <-keys; err != nil || string(got) != want {
			t.Errorf("%s: key %q, error %v; the request has %q", target, got, err, want)
		}
	}
	for _, c := range [][2]string{{"GET", "no/path"}, {"GET", ""}, {"GET", "/%zz"}, {"GET", "/a b"}, {"", "/"}, {"G T", "/"}, {"GET", "*"}} {
		if key, err := RouteKey(c[0], c[1]); err == nil {
			t.Errorf("%q %q has the key %q", c[0], c[1], key)
		}
	}
}

func TestRouteKeyFoldsIdentifiers(t *testing.T) {
	for path, want := range map[string]string{
		"/":                                "GET /",
		"/contract/7/download":             "GET /contract/:n/download",
		"/contract/1234567890123/download": "GET /contract/:n/download",
		"/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301/": "GET /u/:id/",
		"/v2/users": "GET /v2/users",
		"":          "GET ",
	} {
		if got := string(appendRouteKey(nil, []byte("GET"), []byte(path))); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	long := appendRouteKey(nil, []byte("GET"), bytes.Repeat([]byte("/abc"), 1000))
	if len(long) > longestKey+8 {
		t.Errorf("key of %d bytes", len(long))
	}
}
