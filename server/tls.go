package server

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
	"github.com/gounicorn/gounicorn/server/metrics"
)

// TLS says how the connections of ServeTLS are secured.
type TLS struct {
	Config     *tls.Config
	Timeout    time.Duration // of a handshake; 0: 10 s
	Handshakes int           // under way at once; 0: 512
	Clients    bool          // the environ says who the client is by its certificate
}

// secure is what the engine needs to know of it.
func (s *Server) secure(t *TLS) *http1.TLS {
	if t == nil {
		return nil
	}
	return &http1.TLS{
		Config: t.Config, Timeout: t.Timeout, Handshakes: t.Handshakes, Next: s.next(),
		OnHandshake: func(c *http1.Conn, err error) {
			s.cfg.Metrics.Handshake(handshakeResult(err))
			if err != nil {
				s.cfg.Debugf("TLS handshake with ip=%s: %v", peerName(c), err)
			}
		},
	}
}

func handshakeResult(err error) metrics.Handshake {
	switch {
	case err == nil:
		return metrics.HandshakeDone
	case errors.Is(err, http1.ErrHandshakeTimeout):
		return metrics.HandshakeTimeout
	case errors.Is(err, http1.ErrNoTLS):
		return metrics.HandshakePlain
	}
	return metrics.HandshakeFailed
}

// entry is one of the environ.
type entry struct{ name, value string }

// clientEntries are what Apache's mod_ssl tells of a client's certificate, by the same names. They begin with no HTTP_, so no field of a
// request can have them. The values are as in an environ: bytes of UTF-8.
func clientEntries(state *tls.ConnectionState) []entry {
	if len(state.VerifiedChains) == 0 {
		return []entry{{"SSL_CLIENT_VERIFY", "NONE"}}
	}
	leaf := state.PeerCertificates[0]
	stamp := func(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006 GMT") }
	return []entry{
		{"SSL_CLIENT_VERIFY", "SUCCESS"},
		{"SSL_CLIENT_S_DN", leaf.Subject.String()},
		{"SSL_CLIENT_S_DN_CN", leaf.Subject.CommonName},
		{"SSL_CLIENT_I_DN", leaf.Issuer.String()},
		{"SSL_CLIENT_M_SERIAL", strings.ToUpper(leaf.SerialNumber.Text(16))},
		{"SSL_CLIENT_V_START", stamp(leaf.NotBefore)},
		{"SSL_CLIENT_V_END", stamp(leaf.NotAfter)},
		{"SSL_CLIENT_CERT", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))},
	}
}

// identity sets who the client is by its certificate.
func (c *Call) identity() {
	for _, e := range c.certificate {
		c.environ.SetName(e.name, []byte(e.value))
	}
}
