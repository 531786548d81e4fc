package http2

import (
	"cmp"
	"time"

	"github.com/gounicorn/gounicorn/server/http1"
)

// Config says how a Server serves. Handler and Rules are required.
type Config struct {
	// Handler is called for every request, on the goroutine of its stream. It may return before the answer exists.
	Handler func(x *Exchange)
	// Rules judge the head of every request.
	Rules *http1.Rules
	// Timeouts are those of HTTP/1: Idle counts while a connection has no stream, Send for each piece of an answer and for what TCP does
	// not take. Header is not used: a head that does not come to its end keeps its connection idle.
	Timeouts http1.Timeouts
	// MaxRequests is the number of requests after which a connection is asked to end; 0 means no limit.
	MaxRequests int
	// MaxAge is the age of a connection at which it is asked to end; 0 means no limit.
	MaxAge time.Duration
	// ServerName is the value of the Server field; empty means no such field.
	ServerName string

	Streams    int // concurrent streams of a connection (SETTINGS_MAX_CONCURRENT_STREAMS); 0 means 100
	Window     int // bytes of a body in flight on a stream (SETTINGS_INITIAL_WINDOW_SIZE); 0 means 1 MiB
	FrameSize  int // bytes of a frame (SETTINGS_MAX_FRAME_SIZE), from 16384; 0 means 16384
	HeaderList int // bytes of a head, 32 more for each field (SETTINGS_MAX_HEADER_LIST_SIZE); 0 means 65536
	// BodyShare is how many bytes of request bodies a connection may hold in all its streams together; beyond it a body is ErrShare,
	// unless it is the only one. 0 means no limit.
	BodyShare int64

	// Room bounds what all requests under way take; nil: each has its limits alone.
	Room *http1.Room

	// OnError is called for every refused request, on the goroutine of its stream, before the answer is sent.
	OnError func(x *Exchange, v http1.Verdict)
	// OnPanic is called with the value and the stack of a panic in the Handler or in a Source.
	OnPanic func(c *Conn, value any, stack []byte)
	// Logf gets what net/http says of a connection that failed.
	Logf func(format string, args ...any)
}

// ConnectionMemory is the most that a connection holds besides its TLS and what it takes from Config.Room, in bytes: bodies on their way
// to their buffers, as far as flow control lets them come, a frame and a head that are being read, and the tables of HPACK.
func (c Config) ConnectionMemory() int64 {
	c = c.withDefaults()
	return int64(max(c.Window, connWindow) + c.FrameSize + c.HeaderList + 2*headerTable + 2*bufferBytes)
}

// Defaults, and what the numbers of net/http mean.
const (
	defaultStreams    = 100
	defaultWindow     = 1 << 20
	defaultFrameSize  = 16384
	defaultHeaderList = 65536

	// connWindow is how many bytes of bodies may be in flight on a connection, if Window is not more, and so what it may hold before a handler
	// reads them.
	connWindow = 1 << 20
	// headerSlack is what net/http adds to MaxHeaderBytes for the setting that it sends.
	headerSlack = 320
	// headMemory is what a head takes for each of its bytes: what net/http made of it, and the two forms in which it goes on.
	headMemory = 3
	// streamMemory is about what a stream takes besides, in bytes: its goroutine, and what an exchange and a handler keep.
	streamMemory = 8 << 10

	// headerTable is the room for HPACK's table on either side, in bytes (RFC 9113 6.5.2 begins with it).
	headerTable = 4096
)

func (c Config) withDefaults() Config {
	c.Timeouts = c.Timeouts.Effective()
	c.Streams = cmp.Or(c.Streams, defaultStreams)
	c.Window = cmp.Or(c.Window, defaultWindow)
	c.FrameSize = cmp.Or(c.FrameSize, defaultFrameSize)
	c.HeaderList = cmp.Or(c.HeaderList, defaultHeaderList)
	return c
}
