package server

import (
	"io"
	"os"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// errEnd ends a buffer whose body is complete.
var errEnd = io.EOF

// paced is a Source that gives so many bytes in a second (X-Accel-Limit-Rate), in pieces of a quarter of a second.
type paced struct {
	exchange.Source
	rate  int64
	due   time.Time // when the next piece may be given
	p     []byte    // the rest of a piece
	f     *os.File
	off   int64
	n     int64
	pause func(time.Duration)
}

func newPaced(src exchange.Source, rate int64) *paced {
	return &paced{Source: src, rate: rate, pause: time.Sleep}
}

// Next implements exchange.Source. It sleeps for 1 s at most beyond what the Source within does.
func (s *paced) Next() ([]byte, *os.File, int64, int64, error) {
	for s.n == 0 {
		p, f, off, n, err := s.Source.Next()
		if err != nil {
			return nil, nil, 0, 0, err
		}
		if f == nil {
			n = int64(len(p))
		}
		s.p, s.f, s.off, s.n = p, f, off, n
	}
	if wait := time.Until(s.due); wait > 0 {
		s.pause(wait)
	}
	n := min(s.n, max(s.rate/4, 1))
	s.due = time.Now().Add(time.Duration(n) * time.Second / time.Duration(s.rate))
	off := s.off
	s.n -= n
	s.off += n
	if s.f != nil {
		return nil, s.f, off, n, nil
	}
	p := s.p[:n]
	s.p = s.p[n:]
	return p, nil, 0, 0, nil
}

// slowed is an exchange whose body is paced.
type slowed struct {
	exchange.Exchange
	rate int64
}

// Stream implements exchange.Exchange.
func (x *slowed) Stream(length int64, src exchange.Source) error {
	return x.Exchange.Stream(length, newPaced(src, x.rate))
}
