package server

import (
	"bytes"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/http1"
)

// locate finds out who asks and how: REMOTE_ADDR, the URL scheme, and who counts as the client. It returns why the request must be refused.
func (c *Call) locate() http1.Cause {
	r, trust := c.req, &c.h.trust
	c.remote, c.origin, c.remotePort, c.Client = c.near, c.near, c.port, c.client
	r.Client = c.conn.RemoteAddr().Addr()
	secure := c.secure
	if c.trusted {
		said, is, ok := trust.scheme(r.Fields)
		if !ok {
			return http1.CauseScheme
		}
		if said {
			secure = is
		}
		c.believe()
	}
	r.Scheme, r.Pages = "http", c.h.pages
	if secure {
		r.Scheme = "https"
		if hsts := c.h.s.hsts.Load(); hsts != nil {
			r.HSTS = *hsts
		}
	}
	return http1.CauseNone
}

// believe takes the client's address from the fields of a believed peer.
func (c *Call) believe() {
	r, trust := c.req, &c.h.trust
	if trust.Hops > 0 && trust.Forwarded.Has(c.conn.RemoteAddr().Addr()) {
		if hop := trust.client(r.Fields); hop.IsValid() {
			c.hop = hop.Addr().AppendTo(c.hop[:0])
			c.remote, c.origin, c.Client, c.remotePort = c.hop, c.hop, ClientOf(c.hop), nil
			r.Client = hop.Addr()
			if hop.Port() != 0 {
				c.hopPort = strconv.AppendUint(c.hopPort[:0], uint64(hop.Port()), 10)
				c.remotePort = c.hopPort
			}
			return
		}
	}
	if list := lastField(r.Fields, "x-forwarded-for"); list != nil {
		c.origin = bytes.TrimSpace(lastOf(list))
		c.Client = ClientOf(c.origin)
		if a := parseNode(c.origin); a.IsValid() {
			r.Client = a.Addr()
		}
	}
}

// lastField returns the value of the last field of a name in lower case, or nil.
func lastField(fields []exchange.Field, lower string) []byte {
	for i := len(fields) - 1; i >= 0; i-- {
		if equalFold(fields[i].Name, lower) {
			return fields[i].Value
		}
	}
	return nil
}
