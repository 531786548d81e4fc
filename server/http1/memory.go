package http1

// IdleMemory is about what a connection without TLS holds while it waits for a request, in bytes: its goroutine and its state. It has
// no buffer then. tests/hostile measures it.
const IdleMemory = 10 << 10

// ConnectionMemory is the most that a connection without TLS holds for reading a head and beginning an answer, in bytes; what a handler
// keeps comes on top.
func (l Limits) ConnectionMemory() int64 {
	r := newRules(&Config{Limits: l})
	head := smallBuffer
	for head < r.headBytes {
		head *= 4 // as grow does
	}
	const reading, answering = smallBuffer, smallBuffer
	return int64(IdleMemory + head + reading + answering + min(r.fields, r.headBytes/len("a:\r\n"))*fieldMemory)
}

// fieldMemory is what the parsed form of a field takes, in bytes, in the head and in the exchange.
const fieldMemory = 128
