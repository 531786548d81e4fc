package dashboard

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/server/history"
)

const (
	maxViewers = 16
	lookEvery  = time.Second
)

// errTooMany is the answer to one viewer more than maxViewers.
var errTooMany = errors.New("too many people watch already; close another dashboard")

// viewers are those who watch. While there are any, a goroutine looks once a second and sends all of them what it saw, written as JSON
// once: the whole document to who is new or fell behind, to the others without the seconds and events that they have. Nobody can hold up
// another: who does not take a message in time misses it. Its methods may be called concurrently.
type viewers struct {
	look  Look
	every time.Duration

	mu      sync.Mutex
	all     map[*viewer]struct{}
	running bool          // there is a goroutine that looks
	joined  chan struct{} // capacity 1: somebody came or went
}

// viewer is one of them.
type viewer struct {
	messages chan message // closed when there is nothing to see any more
	current  bool         // it was sent all up to the last look
}

// message is an event of the stream.
type message struct {
	name string // whole or part
	data []byte // JSON on one line
}

func newViewers(look Look) *viewers {
	return &viewers{look: look, every: lookEvery, all: map[*viewer]struct{}{}, joined: make(chan struct{}, 1)}
}

// join adds a viewer, to whom something is sent at once.
func (vs *viewers) join() (*viewer, error) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if len(vs.all) >= maxViewers {
		return nil, errTooMany
	}
	v := &viewer{messages: make(chan message, 1)}
	vs.all[v] = struct{}{}
	if !vs.running {
		vs.running = true
		go vs.watch()
	}
	vs.call()
	return v, nil
}

// leave takes a viewer out; it may have been dismissed before.
func (vs *viewers) leave(v *viewer) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	delete(vs.all, v)
	vs.call()
}

func (vs *viewers) call() {
	select {
	case vs.joined <- struct{}{}:
	default:
	}
}

// watch looks as long as somebody watches.
func (vs *viewers) watch() {
	ticks := time.NewTicker(vs.every)
	defer ticks.Stop()
	var mark history.Mark
	for {
		turn := false
		select {
		case <-ticks.C:
			turn = true
		case <-vs.joined:
		}
		fresh, current := vs.count()
		switch {
		case fresh+current == 0:
			return
		case fresh == 0 && !turn:
			continue
		}
		var whole, part []byte
		document, record, err := vs.look()
		if err == nil && fresh > 0 {
			whole, err = json.Marshal(document)
		}
		if turn && err == nil {
			end := record.Mark()
			record.After(mark)
			mark = end
			if current > 0 {
				part, err = json.Marshal(document)
			}
		}
		if err != nil {
			vs.dismiss()
			continue
		}
		vs.send(whole, part)
	}
}

// count tells how many need the whole document and how many do not. When there is nobody, the goroutine that asks has to end.
func (vs *viewers) count() (fresh, current int) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for v := range vs.all {
		if v.current {
			current++
		} else {
			fresh++
		}
	}
	vs.running = len(vs.all) > 0
	return fresh, current
}

// send gives each viewer what it needs; a nil message is not sent.
func (vs *viewers) send(whole, part []byte) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for v := range vs.all {
		m := message{"part", part}
		if !v.current {
			m = message{"whole", whole}
		}
		if m.data == nil {
			continue
		}
		select {
		case v.messages <- m:
			v.current = true
		default:
			v.current = false
		}
	}
}

// dismiss ends the streams of all: there is nothing to see.
func (vs *viewers) dismiss() {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for v := range vs.all {
		close(v.messages)
	}
	clear(vs.all)
}
