package http1_test

import (
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/server/http1"
)

func behindProxy(t *testing.T) http1.Config {
	config := handle(func(x *http1.Exchange) {
		respond(t, x, 200, x.Conn().RemoteAddr().String()+" "+x.Conn().Proxy().Protocol)
	})
	config.ProxyProtocol = http1.ProxyAuto
	config.ProxyAllowed = func(*http1.Conn) bool { return true }
	return config
}

const (
	proxyLine   = "PROXY TCP4 192.0.2.9 198.51.100.1 4321 443\r\n"
	proxyBinary = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\x10\xe1\x01\xbb"
	getRequest  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
)

// Row 31. The header may come in any pieces, before requests that do, and holds for all of them.
func TestProxyHeaderComesInAnyPieces(t *testing.T) {
	addr, _ := start(t, behindProxy(t))
	for _, header := range []string{proxyLine, proxyBinary} {
		for cut := 0; cut <= len(header)+3; cut++ {
			c := dial(t, addr)
			text := header + getRequest + getRequest
			c.send(text[:cut])
			c.send(text[cut:])
			for range 2 {
				c.want(200, "192.0.2.9:4321 TCP4")
			}
			c.nc.Close()
		}
	}
}

func TestRequestsWithoutProxyHeaderAreServed(t *testing.T) {
	addr, _ := start(t, behindProxy(t))
	for _, before := range []string{"", "\r\n"} {
		c := dial(t, addr)
		for _, piece := range strings.SplitAfter(before+getRequest, "\r") {
			c.send(piece)
		}
		c.want(200, c.nc.LocalAddr().String()+" ")
	}
	c := dial(t, addr) // looks like the header, and is a method that is too short
	c.send("P / HTTP/1.1\r\n")
	c.want(400, "")
}

// Rows 18 and 31: a header that never comes, or never ends, holds a connection no longer than a head does.
func TestProxyHeaderHasTheTimeOfAHead(t *testing.T) {
	config := behindProxy(t)
	config.Timeouts = http1.Timeouts{Header: short, Idle: short}
	addr, _ := start(t, config)
	silent := dial(t, addr)
	silent.wantEnd()
	for _, begun := range []string{"PRO", "PROXY ", proxyBinary[:13], proxyBinary[:20]} {
		c := dial(t, addr)
		c.send(begun)
		c.want(408, "")
		c.wantEnd()
	}
	c := dial(t, addr)
	c.send("PROXY TCP4")
	if err := c.nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.wantEnd()
}

func TestMethodsAreFoldedOnDemand(t *testing.T) {
	config := handle(func(x *http1.Exchange) { respond(t, x, 200, string(x.Request().Method)+" "+string(x.Request().Line)) })
	config.CasefoldMethod = true
	addr, _ := start(t, config)
	c := dial(t, addr)
	c.send("get / HTTP/1.1\r\nHost: x\r\n\r\n" + "head / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "GET GET / HTTP/1.1")
	if a, err := readHead(c); err != nil || a.Status != 200 {
		t.Errorf("head: %v, %v", a, err)
	}
	c.send("trace / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(405, "")
}
