package static_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/http2"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// secured is the exchange.Conn of a connection with TLS.
type secured struct {
	*tls.Conn
	state tls.ConnectionState
}

func (s *secured) addr() netip.AddrPort         { return s.Conn.RemoteAddr().(*net.TCPAddr).AddrPort() }
func (s *secured) RemoteAddr() netip.AddrPort   { return s.addr() }
func (s *secured) PeerAddr() netip.AddrPort     { return s.addr() }
func (s *secured) LocalAddr() netip.AddrPort    { return netip.AddrPort{} }
func (s *secured) Listener() net.Addr           { return nil }
func (s *secured) Proxy() *exchange.ProxyHeader { return &exchange.ProxyHeader{} }
func (s *secured) TLS() *tls.ConnectionState    { return &s.state }

// dialHTTP2 speaks to the same handler by HTTP/2, on one connection.
func (s *served) dialHTTP2(t testing.TB) *client {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificate(), NextProtos: []string{http2.Protocol}})
	if err != nil {
		t.Fatal(err)
	}
	engine := http2.New(http2.Config{Rules: http1.NewRules(http1.Config{}), Handler: func(x *http2.Exchange) {
		if !s.files.Respond(x) {
			x.Error(500, 0)
		}
	}})
	var served sync.WaitGroup
	served.Go(func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		tc := nc.(*tls.Conn)
		if err := tc.Handshake(); err != nil {
			t.Error(err)
			return
		}
		engine.Serve(tc, &secured{tc, tc.ConnectionState()})
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetHTTP2(true)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ln.Close()
		engine.Close()
		served.Wait()
	})
	return &client{t: t, http2: &http.Client{Transport: transport, Timeout: budget}, base: "https://" + ln.Addr().String()}
}

// askHTTP2 is ask over HTTP/2.
func (c *client) askHTTP2(method, target string, fields []string) (*httpcases.Answer, error) {
	req, err := http.NewRequest(method, c.base+target, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		req.Header.Add(name, strings.TrimSpace(value))
	}
	r, err := c.http2.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	a := &httpcases.Answer{Status: r.StatusCode}
	for name, values := range r.Header {
		for _, value := range values {
			a.Fields = append(a.Fields, name+": "+value)
		}
	}
	a.Body, err = io.ReadAll(r.Body)
	return a, err
}
