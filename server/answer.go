package server

import (
	"errors"
	"io"
	"iter"

	"github.com/gounicorn/gounicorn/server/accel"
	"github.com/gounicorn/gounicorn/server/compress"
	"github.com/gounicorn/gounicorn/server/exchange"
	"github.com/gounicorn/gounicorn/server/spool"
	"github.com/gounicorn/gounicorn/wsgi"
)

// reply is an answer on its way to the client, where more than the engine has a say in it.
type reply struct {
	status int
	reason []byte
	fields iter.Seq2[[]byte, []byte]
	body   []byte
	extra  []exchange.Field // behind fields
	rate   int64            // bytes in a second; 0: no limit
}

// orders are what the head of an answer says to us.
type orders struct {
	any  bool
	file accel.Order // Redirect or Sendfile
	name []byte      // the file's
	rate int64
}

func ordersOf(head *wsgi.Head) (o orders) {
	head.Fields(func(name, value []byte) bool {
		switch order := accel.Is(name); order {
		case accel.None:
			return true
		case accel.Redirect, accel.Sendfile:
			if o.file != accel.Redirect { // which wins, as with nginx in front
				o.file, o.name = order, value
			}
		case accel.LimitRate:
			o.rate = accel.Rate(value)
		}
		o.any = true
		return true
	})
	return o
}

// holds reports whether an answer waits for its next frame: a file may follow that can be sent in parts.
func (c *Call) holds(head *wsgi.Head) bool {
	return len(head.Body) == 0 && head.Status == 200 && (string(c.req.Method) == "GET" || string(c.req.Method) == "HEAD")
}

// proceed goes on with an answer that was held.
func (c *Call) proceed() {
	if !c.held {
		return
	}
	c.held = false
	if head, err := wsgi.ParseHead(200, c.kept); err == nil { // it was parsed before
		c.answer(&head, false)
	}
}

// answer gives the head and the first bytes of the body to whoever has a say in it. end says that this is all.
func (c *Call) answer(head *wsgi.Head, end bool) {
	o, cfg := ordersOf(head), &c.h.cfg
	if !o.any && c.ticket == nil && cfg.Compress == nil && (!cfg.OverridePages || head.Status < 500) {
		c.plain(head, end)
		return
	}
	c.arrange(*head, o, end)
}

// arrange is answer where somebody has a say. head is a copy, so that the one of a plain answer stays on the stack.
func (c *Call) arrange(head wsgi.Head, o orders, end bool) {
	h := c.h
	if o.file != accel.None {
		switch {
		case h.cfg.Files != nil:
			c.sendNamed(&head, &o, end)
			return
		case !c.forwarded():
			h.s.complain(h.s.cfg.Errorf, "%s: the application wants the server to send a file (X-Accel-Redirect or X-Sendfile), but which folders it may "+
				"name is not configured: add --accel /prefix/=DIR or --sendfile-root DIR; or, if a proxy in front sends the files, let it say for whom it asks, "+
				"with X-Forwarded-For", c)
			c.settle(end, func(x exchange.Exchange) { refuse(x, 500, 0) })
			return
		}
	}
	r := &reply{status: head.Status, reason: head.Reason, fields: head.Fields, body: head.Body, rate: o.rate}
	switch {
	case o.any && !c.forwarded():
		r.fields = withoutOrders(head.Fields)
	case o.file != accel.None:
		r.fields = withoutLength(head.Fields)
	}
	if c.ticket != nil && c.collect(&head, r, end) {
		return
	}
	if h.cfg.OverridePages && head.Status >= 500 && h.cfg.Pages.Has(head.Status) {
		c.settle(end, func(x exchange.Exchange) { refuse(x, head.Status, 0) })
		return
	}
	if end {
		c.settle(end, func(x exchange.Exchange) { h.finish(x, r) })
		return
	}
	c.stream(r)
}

// plain is answer where nobody but the engine has a say.
func (c *Call) plain(head *wsgi.Head, end bool) {
	x := c.x
	if !c.start(head) {
		c.refuse(end)
		return
	}
	if end {
		c.release()
		if err := c.h.whole(x, head.Body); err != nil {
			c.h.s.complain(c.h.s.cfg.Warnf, "response of the application: %v", err)
		}
		return
	}
	c.buffer = spool.NewBuffer(&c.h.s.budget)
	c.buffer.Append(head.Body)
	if err := x.Stream(-1, c.buffer); err != nil {
		c.buffer = nil
		x.Abort()
	}
}

// largeBody is the size in bytes above which what the client does not take at once is kept within the budget.
const largeBody = 64 << 10

// whole gives a whole body to the engine.
func (h *handler) whole(x exchange.Exchange, body []byte) error {
	if len(body) <= largeBody {
		return x.Finish(body)
	}
	return x.FinishLarge(body, h.keep)
}

// keep keeps the rest of a body for a client that does not take it at once, within the budget.
func (h *handler) keep(rest []byte) exchange.Source {
	b := spool.NewBuffer(&h.s.budget)
	b.Append(rest)
	b.End(io.EOF)
	return b
}

// start gives the head to the engine, which looks at every byte of it.
func (c *Call) start(head *wsgi.Head) bool {
	err := c.x.Start(head.Status, head.Reason)
	if err == nil {
		head.Fields(func(name, value []byte) bool {
			if err = c.x.Field(name, value); errors.Is(err, exchange.ErrHopByHop) {
				err = nil // dropped
			}
			return err == nil
		})
	}
	if err != nil && !errors.Is(err, exchange.ErrState) {
		c.h.s.complain(c.h.s.cfg.Errorf, "response head of %s refused: %v", c, err)
	}
	return err == nil
}

// settle answers the exchange; what the app still gives is dropped. end says that it gives nothing more.
func (c *Call) settle(end bool, answer func(x exchange.Exchange)) {
	x := c.x
	c.settled = true
	answer(x)
	if end {
		c.release()
	}
}

// refuse answers with a page of ours.
func refuse(x exchange.Exchange, status, retryAfter int) {
	if !x.Error(status, retryAfter) {
		x.Abort()
	}
}

// begin gives the head of r to the engine, and returns the coding of the body that is to follow. size is the length of the body, -1 if it is
// not known.
func (h *handler) begin(x exchange.Exchange, r *reply, size int64) (compress.Coding, error) {
	coding, fields := compress.Identity, r.fields
	if h.cfg.Compress != nil {
		var eligible bool
		if coding, eligible = h.cfg.Compress.Consider(x.Request(), r.status, fields, size); eligible {
			fields = compress.Rewrite(fields, coding)
		}
	}
	err := x.Start(r.status, r.reason)
	if err != nil {
		return coding, err
	}
	for name, value := range fields {
		if err = x.Field(name, value); err != nil && !errors.Is(err, exchange.ErrHopByHop) {
			return coding, err
		}
	}
	for _, f := range r.extra {
		if err = x.Field(f.Name, f.Value); err != nil {
			return coding, err
		}
	}
	return coding, nil
}

// finish answers x with the whole of r.
func (h *handler) finish(x exchange.Exchange, r *reply) {
	size, isHead := int64(len(r.body)), string(x.Request().Method) == "HEAD"
	if isHead && size == 0 {
		size = -1
	}
	coding, err := h.begin(x, r, size)
	if err != nil {
		h.badHead(x, err)
		return
	}
	body := r.body
	switch {
	case coding == compress.Identity:
	case isHead:
		body = nil
	default:
		body = compress.Encode(coding, body)
	}
	if r.rate > 0 && len(body) > 0 {
		b := spool.NewBuffer(&h.s.budget)
		b.Append(body)
		b.End(errEnd)
		if err = x.Stream(int64(len(body)), newPaced(b, r.rate)); err != nil {
			refuse(x, 500, 0)
		}
	} else {
		err = h.whole(x, body)
	}
	if err != nil {
		h.s.complain(h.s.cfg.Warnf, "response of the application: %v", err)
	}
}

// stream answers with r, whose body has more to come.
func (c *Call) stream(r *reply) {
	h, x := c.h, c.x
	coding, err := h.begin(x, r, -1)
	if err != nil {
		c.settle(false, func(x exchange.Exchange) { h.badHead(x, err) })
		return
	}
	c.buffer = spool.NewBuffer(&h.s.budget)
	c.buffer.Append(r.body)
	var src exchange.Source = c.buffer
	if coding != compress.Identity {
		src = compress.NewSource(coding, src)
	}
	if r.rate > 0 {
		src = newPaced(src, r.rate)
	}
	if err := x.Stream(-1, src); err != nil {
		c.buffer = nil
		c.settle(false, exchange.Exchange.Abort)
	}
}

// badHead answers in place of a head that the engine does not take.
func (h *handler) badHead(x exchange.Exchange, err error) {
	if !errors.Is(err, exchange.ErrState) {
		h.s.complain(h.s.cfg.Errorf, "response head of %s %.200s refused: %v", x.Request().Method, x.Request().Target, err)
	}
	refuse(x, 500, 0)
}

// forwarded reports whether the answer goes to a proxy that is believed, which then is the one that the application's orders are for: it
// asks over a unix socket, by the PROXY protocol, or with a field that says for whom.
func (c *Call) forwarded() bool {
	if !c.trusted {
		return false
	}
	if c.near == nil || c.conn.Proxy().Protocol != "" {
		return true
	}
	for i := range c.req.Fields {
		if claims(c.req.Fields[i].Name) {
			return true
		}
	}
	return false
}

// withoutLength leaves Content-Length out, which is that of the file that the answer names, and not of its body.
func withoutLength(fields iter.Seq2[[]byte, []byte]) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for name, value := range fields {
			if !exchange.Is(name, "content-length") && !yield(name, value) {
				return
			}
		}
	}
}

// withoutOrders leaves out what is not meant for clients.
func withoutOrders(fields iter.Seq2[[]byte, []byte]) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for name, value := range fields {
			if accel.Is(name) == accel.None && !yield(name, value) {
				return
			}
		}
	}
}
