package certs

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// ChallengePath is below what an authority asks for on port 80 (RFC 8555 8.3).
const ChallengePath = "/.well-known/acme-challenge/"

// Name implements exchange.Responder.
func (i *Issuer) Name() string { return "acme" }

// Respond implements exchange.Responder: it answers the authority. What is not for a name that is being verified is not its matter.
func (i *Issuer) Respond(x exchange.Exchange) bool {
	r := x.Request()
	if x.Conn().TLS() != nil || !bytes.HasPrefix(r.Path, []byte(ChallengePath)) || string(r.Method) != http.MethodGet {
		return false
	}
	var w answer
	asked := &http.Request{
		Method: http.MethodGet, Host: string(r.Host), URL: &url.URL{Path: string(r.Path)}, RequestURI: string(r.Target),
		RemoteAddr: x.Conn().RemoteAddr().String(), Header: http.Header{},
	}
	if !i.issuer.HandleHTTPChallenge(&w, asked) {
		return false
	}
	if err := x.Start(http.StatusOK, nil); err != nil {
		x.Abort()
		return true
	}
	_ = x.Field([]byte("Content-Type"), []byte("text/plain")) // ours and well-formed
	_ = x.Finish(w.body)                                      // nothing can disagree with it
	return true
}

// answer is what certmagic writes to.
type answer struct {
	header http.Header
	body   []byte
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(int) {}
