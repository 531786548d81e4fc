package oracle

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Options say what a Load does. The zero value of each field is useful.
type Options struct {
	Kept    int           // clients that keep their connection; by default 2
	New     int           // clients with a connection for each request; by default 1
	HTTP2   int           // clients that share one connection of HTTP/2; needs TLS
	Slow    int           // clients that send a large body and read its echo slowly
	Leaving int           // clients that break their requests off at random; what becomes of these is not counted
	Pause   time.Duration // of a client between two requests; by default 2 ms
	TLS     *tls.Config   // nil: plain HTTP
	Addr    string        // host:port; empty: the server's first
	Dir     string        // where the application notes what it has started; empty: the server's
}

// A Load is clients that send requests until it is stopped.
type Load struct {
	tb      testing.TB
	run     string // of all nonces
	started string // file in which the application notes what it has started
	stop    chan struct{}
	all     sync.WaitGroup
	clients []*client
	sent    atomic.Int64
	failed  atomic.Int64
	over    *Tally
}

// Begin starts clients for a server that runs canary:app.
func Begin(tb testing.TB, s *harness.Server, o Options) *Load {
	tb.Helper()
	if o.Kept+o.New+o.HTTP2 == 0 {
		o.Kept, o.New = 2, 1
	}
	if o.Pause == 0 {
		o.Pause = 2 * time.Millisecond
	}
	if o.Addr == "" {
		o.Addr = s.Addr()
	}
	if o.Dir == "" {
		o.Dir = s.Dir
	}
	l := &Load{tb: tb, run: rand.Text()[:8], started: filepath.Join(o.Dir, "started"), stop: make(chan struct{})}
	two := newHTTP2(o)
	for n := range o.Slow + o.Kept + o.New + o.HTTP2 {
		c := &client{load: l, number: n}
		switch n -= o.Slow; {
		case n < 0:
			c.slow, c.peer = true, &wire{options: o, keep: true, slow: true}
		case n < o.Kept:
			c.peer = &wire{options: o, keep: true}
		case n < o.Kept+o.New:
			c.peer = &wire{options: o}
		default:
			c.peer = two
		}
		l.clients = append(l.clients, c)
		l.all.Go(func() { l.work(c, o.Pause) })
	}
	for range o.Leaving {
		l.all.Go(func() { l.leave(o) })
	}
	tb.Cleanup(func() { l.Stop() })
	return l
}

// Sent is how many requests have been sent so far, and how many of them got something other than their answer.
func (l *Load) Sent() (sent, failed int) { return int(l.sent.Load()), int(l.failed.Load()) }

// Await waits until n more requests have been answered, to be sure that something was going on.
func (l *Load) Await(tb testing.TB, n int) {
	tb.Helper()
	answered := func() int { sent, failed := l.Sent(); return sent - failed }
	from := answered()
	harness.Eventually(tb, 2*harness.EventBudget, fmt.Sprintf("%d more requests are answered", n), func() bool { return answered() >= from+n })
}

func (l *Load) work(c *client, pause time.Duration) {
	defer c.peer.close()
	pace := time.NewTimer(0)
	for {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		c.one()
		l.sent.Add(1)
		pace.Reset(pause/2 + mrand.N(pause))
	}
}

// Stop lets every client finish its request, asks the application what it has started and returns what became of the requests.
func (l *Load) Stop() *Tally {
	if l.over != nil {
		return l.over
	}
	close(l.stop)
	l.all.Wait()
	l.over = &Tally{}
	counts := l.counts()
	for _, c := range l.clients {
		c.judge(counts[c.number])
		l.over.add(&c.tally)
	}
	return l.over
}

// counts is how often each request of each client was started.
func (l *Load) counts() [][]uint8 {
	counts := make([][]uint8, len(l.clients))
	for n, c := range l.clients {
		counts[n] = make([]uint8, len(c.sent))
	}
	text, err := os.ReadFile(l.started)
	if err != nil && !os.IsNotExist(err) {
		l.tb.Errorf("what the application has started: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		// canary-RUN-CLIENT-NUMBER-RANDOM
		words := strings.Split(strings.TrimSpace(line), "-")
		if len(words) != 5 || words[1] != l.run {
			continue
		}
		client, err1 := strconv.Atoi(words[2])
		number, err2 := strconv.Atoi(words[3])
		if err1 != nil || err2 != nil || client >= len(counts) || number >= len(counts[client]) {
			l.tb.Errorf("the application has started %q, which nobody sent", line)
			continue
		}
		counts[client][number]++
	}
	return counts
}
