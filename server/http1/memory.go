package http1

// IdleMemory is about what a connection without TLS holds while it waits for a request, in bytes: its goroutine and its state. It has
// no buffer then. tests/hostile measures it.
const IdleMemory = 10 << 10

// What TLS adds to a connection, in bytes.
const (
	// TLSIdleMemory is about what it adds while the connection waits: keys, a session, the client's certificate, and what the
	// handshake has left to be collected. tests/hostile measures it.
	TLSIdleMemory = 60 << 10
	// TLSMemory is the most that it adds: a record that is being read, in a buffer that grew for it, and records that the client does not take.
	TLSMemory = TLSIdleMemory + 2*(16<<10) + heldMost
)

// ConnectionMemory is the most that a connection without TLS holds for itself, in bytes: for reading a head and a body, for the request as
// it goes on, and for beginning an answer. What is larger comes out of Config.Room.
func (l Limits) ConnectionMemory() int64 {
	r := newRules(&Config{Limits: l})
	const reading, passing, answering = 2 * smallBuffer, 2 * smallBuffer, smallBuffer
	return int64(IdleMemory + reading + passing + answering + min(r.fields, keptFields)*fieldMemory)
}

// fieldMemory is what the parsed form of a field takes, in bytes, in the head and in the exchange.
const fieldMemory = 128
