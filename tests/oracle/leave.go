package oracle

import (
	mrand "math/rand/v2"
	"net"
	"time"
)

// leave is a client that breaks its requests off: after a part of the request, before the answer, in the middle of it, with and without a
// reset. Its nonces belong to nobody.
func (l *Load) leave(o Options) {
	w := &wire{options: o}
	c := &client{load: l, number: -1}
	pace := time.NewTicker(o.Pause * 5)
	defer pace.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		if w.dial() != nil {
			continue
		}
		q := c.question()
		raw := append([]byte("POST /nonce/20/left HTTP/1.1\r\nHost: test\r\nX-Nonce: left\r\nContent-Length: 300\r\n\r\n"), q.nonce...)
		raw = append(raw, make([]byte, 300-len(q.nonce))...)
		_ = w.conn.SetDeadline(time.Now().Add(patience))
		if mrand.IntN(2) == 0 {
			raw = raw[:mrand.IntN(len(raw))]
		}
		_, _ = w.conn.Write(raw)
		if len(raw) > 300 && mrand.IntN(2) == 0 {
			_ = w.conn.SetReadDeadline(time.Now().Add(time.Duration(mrand.IntN(30)) * time.Millisecond))
			_, _ = w.conn.Read(make([]byte, 1+mrand.IntN(100)))
		}
		if tcp, ok := w.conn.(*net.TCPConn); ok && mrand.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		w.close()
	}
}
