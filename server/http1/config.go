package http1

import (
	"net/netip"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Limits bound what one request may send. The zero value is usable; each zero
// field has the meaning written beside it.
type Limits struct {
	RequestLine int   // bytes of the request line without its line end; 0 and everything above 8190 mean 8190
	Fields      int   // field lines of head and trailer; 0 means 100, at most 32768
	FieldSize   int   // bytes of one field line without its line end; 0 means 8190
	HeadBytes   int   // bytes of the whole head; 0 means 64 KiB, at most 1 MiB
	Body        int64 // bytes of a body after decoding; 0 means no limit
}

// Timeouts bound how long the peer may take. For each field zero means the
// default written beside it and a negative value switches the timeout off.
// They are enforced by a sweep, so they are late by up to half a second.
type Timeouts struct {
	Header time.Duration // from the first byte of a head to its end; 10 s
	Body   time.Duration // between two reads of a body; 60 s
	Send   time.Duration // for each piece of at most 64 KiB of a response; 60 s
	Idle   time.Duration // before the first byte of a request; 5 s
	// MinBodyRate is the average rate in bytes per second below which a body
	// is refused, once it has taken rateGrace; 0 means no minimum.
	MinBodyRate int64
}

// Underscores says what becomes of fields with "_" in their name, which a
// CGI-style environ cannot tell from "-" (row 10).
type Underscores uint8

// What may become of fields with "_" in their name.
const (
	UnderscoreDrop   Underscores = iota // the field is dropped and counted
	UnderscoreRefuse                    // the request is refused
	UnderscorePass                      // the field is passed on: dangerous
)

// Config holds what a Server needs. Only Handler is required.
type Config struct {
	Limits   Limits
	Timeouts Timeouts
	// Handler answers requests.
	Handler Handler
	// MaxKeepAliveRequests is the number of requests after which a connection
	// is closed; 0 means no limit, 1 switches keep-alive off.
	MaxKeepAliveRequests int
	// MaxKeepAliveTime is the age of a connection at which it is closed after
	// the answer that is being given; 0 means no limit.
	MaxKeepAliveTime time.Duration
	// MaxConnections is the number of connections, of all listeners together,
	// at which a new one waits until another ends; the one that has been idle
	// for longest is closed for it. 0 means no limit.
	MaxConnections int
	// ServerName is the value of the Server field; empty means no such field.
	ServerName string
	// PermitUnconventionalMethod accepts every token as a method.
	PermitUnconventionalMethod bool
	// CasefoldMethod turns the letters of methods into capitals.
	CasefoldMethod bool
	// Underscores says what becomes of fields with "_" in their name.
	Underscores Underscores
	// Forwarder, if set, is asked for every field with "_" in its name, and
	// answers true for one that is passed on whatever Underscores says. It must
	// not keep the slice.
	Forwarder func(c exchange.Conn, name []byte) bool
	// TLS is for the connections of ServeTLS; nil means that they have none.
	TLS *TLS
	// ProxyProtocol says which versions of the PROXY protocol a connection may
	// begin with. The header is optional, as in gunicorn.
	ProxyProtocol ProxyMode
	// ProxyAllowed is asked whether the peer of a connection may use the PROXY
	// protocol; false means 403. It is required unless ProxyProtocol is Off.
	ProxyAllowed func(c *Conn) bool
	// Page, if set, gives the pages with which statuses are answered in place
	// of the engine's own.
	Page exchange.PageSource
	// Room bounds what all requests under way take; nil: each has its limits
	// alone.
	Room *Room
	// OnError is called for every refused request, on the connection's
	// goroutine, before the answer is written.
	OnError func(c *Conn, v Verdict)
	// OnPanic is called with the value and the stack of a panic in the Handler
	// or in a Source. Nil means that panics are only answered.
	OnPanic func(c *Conn, value any, stack []byte)
	// OnConnect, if set, is called for every connection, when its service
	// begins. It must not block.
	OnConnect func()
	// Gate, if set, is asked for every connection before it is served; one
	// that it does not let in is closed without an answer.
	Gate Gate
	// OnAcceptError is called at most once a minute while accepting fails, for
	// example because descriptors are exhausted.
	OnAcceptError func(err error)
}

// A Gate counts the connections of each client. Its methods are called
// concurrently and must not block.
type Gate interface {
	// Enter asks for a connection from an address, which is not valid for a
	// Unix socket. counted says that Leave is wanted at its end.
	Enter(peer netip.Addr) (counted, ok bool)
	// Leave is the end of a connection that was counted.
	Leave(peer netip.Addr)
}

// Defaults and caps of limits and timeouts.
const (
	maxRequestLine    = 8190
	defaultFields     = 100
	maxFields         = 32768
	defaultFieldSize  = 8190
	defaultHeadBytes  = 64 << 10
	maxHeadBytes      = 1 << 20
	defaultHeaderTime = 10 * time.Second
	defaultBodyTime   = 60 * time.Second
	defaultSendTime   = 60 * time.Second
	defaultIdleTime   = 5 * time.Second
	// rateGrace is how long a body may arrive before its rate counts, as in
	// Apache's mod_reqtimeout.
	rateGrace = 20 * time.Second
)

// rules is Config as the parsers need it: checked and without defaults.
type rules struct {
	requestLine int
	fields      int
	fieldSize   int
	headBytes   int
	body        int64
	underscores Underscores
	anyMethod   bool
	foldMethod  bool
	forwarder   func(exchange.Conn, []byte) bool
	page        exchange.PageSource
}

// terms are a Config as connections use it.
type terms struct {
	Config
	rules  rules
	timing timing
}

func newTerms(c Config) *terms { return &terms{c, newRules(&c), newTiming(c.Timeouts)} }

func newRules(c *Config) rules {
	pick := func(v, zero, limit int) int {
		if v <= 0 {
			v = zero
		}
		return min(v, limit)
	}
	l := &c.Limits
	return rules{
		requestLine: pick(l.RequestLine, maxRequestLine, maxRequestLine),
		fields:      pick(l.Fields, defaultFields, maxFields),
		fieldSize:   pick(l.FieldSize, defaultFieldSize, maxHeadBytes),
		headBytes:   pick(l.HeadBytes, defaultHeadBytes, maxHeadBytes),
		body:        l.Body,
		underscores: c.Underscores,
		anyMethod:   c.PermitUnconventionalMethod,
		foldMethod:  c.CasefoldMethod,
		forwarder:   c.Forwarder,
		page:        c.Page,
	}
}

// timing is Timeouts without defaults; zero means off.
type timing struct {
	header, body, send, idle time.Duration
	rate                     int64
}

func newTiming(t Timeouts) timing {
	pick := func(v, zero time.Duration) time.Duration {
		switch {
		case v == 0:
			return zero
		case v < 0:
			return 0
		}
		return v
	}
	return timing{
		header: pick(t.Header, defaultHeaderTime),
		body:   pick(t.Body, defaultBodyTime),
		send:   pick(t.Send, defaultSendTime),
		idle:   pick(t.Idle, defaultIdleTime),
		rate:   max(t.MinBodyRate, 0),
	}
}
