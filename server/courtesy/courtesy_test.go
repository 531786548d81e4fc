package courtesy_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gounicorn/gounicorn/server/courtesy"
)

const (
	answer  = 200 * time.Microsecond
	clients = 8
)

// pressed returns a gate that has learned that requests wait for half of their time; one of them runs.
func pressed(run, waited time.Duration) *courtesy.Gate {
	g := &courtesy.Gate{}
	for range 100 {
		g.Begin()
		g.End(run, waited)
		g.Leave(time.Now().Add(-answer))
	}
	g.Begin()
	return g
}

// files lets clients ask for files one after another for a second and returns how many they got and the longest wait.
func files(t *testing.T, g *courtesy.Gate, during func()) (answered int, longest time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	end := time.Now().Add(time.Second)
	for range clients {
		all.Go(func() {
			for time.Now().Before(end) {
				asked := time.Now()
				began := g.Enter()
				mu.Lock()
				answered++
				longest = max(longest, began.Sub(asked))
				mu.Unlock()
				<-time.After(answer) // of the bubble
				g.Leave(began)
			}
		})
	}
	during()
	all.Wait()
	return answered, longest
}

// keep tells the gate of a request every 20 ms for as long as files lasts.
func keep(g *courtesy.Gate, run, waited time.Duration) func() {
	return func() {
		for range 50 {
			<-time.After(20 * time.Millisecond) // of the bubble
			g.Begin()
			g.End(run, waited)
		}
	}
}

func TestFilesHaveTheirShareWhileRequestsWait(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	synctest.Test(t, func(t *testing.T) {
		const run, waited = 10 * time.Millisecond, 5 * time.Millisecond
		g := pressed(run, waited)
		answered, longest := files(t, g, keep(g, run, waited))
		if answered < 650 || answered > 850 { // 0.15 of a second of 200 us each, and what was saved
			t.Errorf("%d answers in a second", answered)
		}
		if g.Held() < 5*time.Second { // most of the time of eight clients
			t.Errorf("held for %v", g.Held())
		}
		if longest > 110*time.Millisecond {
			t.Errorf("a file waited %v", longest)
		}
	})
}

func TestFilesDoNotWait(t *testing.T) {
	const run, waited = 10 * time.Millisecond, 5 * time.Millisecond
	for name, make := range map[string]func() (*courtesy.Gate, func()){
		"where nobody waits for a processor": func() (*courtesy.Gate, func()) {
			g := pressed(run, 0)
			return g, keep(g, run, 0)
		},
		"while the application has nothing to do": func() (*courtesy.Gate, func()) {
			g := pressed(run, waited)
			g.End(0, 0)
			return g, func() {}
		},
		"when what was learned is old": func() (*courtesy.Gate, func()) {
			g := pressed(run, waited)
			<-time.After(2 * time.Second) // of the bubble
			return g, func() {}
		},
		"for requests that teach nothing": func() (*courtesy.Gate, func()) {
			g := pressed(0, waited)
			return g, keep(g, 0, waited)
		},
		"without a gate": func() (*courtesy.Gate, func()) { return nil, func() { keep(nil, run, waited)() } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, during := make()
				if _, longest := files(t, g, during); longest != 0 || g.Held() != 0 {
					t.Errorf("a file waited %v", longest)
				}
			})
		})
	}
}
