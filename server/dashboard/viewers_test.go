package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/history"
)

const patience = 20 * time.Second

// serve serves f and returns its address.
func (f *fake) serve(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// watch opens a stream.
func watch(t *testing.T, url string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, _ := http.NewRequestWithContext(ctx, "GET", url+"/stream", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return answer, lines
}

// event reads the next event of a stream; an empty name is its end.
func event(t *testing.T, lines *bufio.Scanner) (name string, d document) {
	t.Helper()
	for lines.Scan() {
		kind, value, _ := strings.Cut(lines.Text(), ": ")
		switch kind {
		case "event":
			name = value
		case "data":
			if strings.Contains(value, "<") {
				t.Errorf("HTML in a document: %.200s", value)
			}
			if err := json.Unmarshal([]byte(value), &d); err != nil {
				t.Fatal(err)
			}
			return name, d
		}
	}
	return "", d
}

func TestStream(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.viewers.every = 20 * time.Millisecond
	at := time.Unix(1_800_000_000, 0)
	second := func() {
		at = at.Add(time.Second)
		f.recorder.Turn(at, history.Gauges{Workers: 2})
	}
	for range 5 {
		second()
	}
	f.recorder.Event(history.Event{Kind: history.KindServer, Text: "one"})
	url := f.serve(t)
	answer, lines := watch(t, url)
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%s, %v", answer.Status, answer.Header)
	}
	name, d := event(t, lines)
	if name != "whole" || len(d.Series.Workers) != 5 || len(d.Events) != 1 {
		t.Fatalf("first %s: %d seconds, %d events", name, len(d.Series.Workers), len(d.Events))
	}
	// The first part has what the first turn did not know it had been sent; then there is only what is new.
	_, _ = event(t, lines)
	if name, d = event(t, lines); name != "part" || len(d.Series.Workers) != 0 || len(d.Events) != 0 || d.Dropped != 1 {
		t.Errorf("%s without news: %d seconds, %d events after %d", name, len(d.Series.Workers), len(d.Events), d.Dropped)
	}
	second()
	f.recorder.Event(history.Event{Kind: history.KindServer, Text: "two"})
	seconds, texts := 0, ""
	for texts == "" || seconds == 0 {
		if name, d = event(t, lines); name != "part" {
			t.Fatalf("news come as %s", name)
		}
		seconds += len(d.Series.Workers)
		for _, e := range d.Events {
			texts += e.Text
		}
	}
	if seconds != 1 || texts != "two" {
		t.Errorf("news: %d seconds, %s", seconds, texts)
	}
	f.gone.Store(true)
	for name != "" {
		name, _ = event(t, lines)
	}
}

func TestViewersShareALookAndAreBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.viewers.every = time.Hour
	url := f.serve(t)
	var all []*http.Response
	for range maxViewers {
		answer, lines := watch(t, url)
		if name, _ := event(t, lines); name != "whole" {
			t.Fatalf("a new viewer gets %q", name)
		}
		all = append(all, answer)
	}
	answer, _ := watch(t, url)
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text(t, answer), "too many") {
		t.Errorf("one more: %s", answer.Status)
	}
	if got := f.looks.Load(); got > maxViewers {
		t.Errorf("%d looks for %d viewers", got, maxViewers)
	}
	for _, a := range all {
		_ = a.Body.Close()
	}
	for end := time.Now().Add(patience); f.watchers() > 0; {
		if time.Now().After(end) {
			t.Fatal("viewers that have left are still there")
		}
	}
	before := f.looks.Load()
	answer, lines := watch(t, url)
	if name, _ := event(t, lines); name != "whole" || answer.StatusCode != 200 || f.looks.Load() == before {
		t.Errorf("after all had left: %s, %q", answer.Status, name)
	}
}

// watchers counts viewers and the goroutine that looks for them.
func (f *fake) watchers() int {
	f.viewers.mu.Lock()
	defer f.viewers.mu.Unlock()
	if f.viewers.running {
		return len(f.viewers.all) + 1
	}
	return len(f.viewers.all)
}

// Who does not read holds nobody up, and gets the whole document when it reads again.
func TestSlowViewer(t *testing.T) {
	t.Parallel()
	vs := newViewers(nil)
	slow, fast := &viewer{messages: make(chan message, 1), current: true}, &viewer{messages: make(chan message, 1), current: true}
	vs.all[slow], vs.all[fast] = struct{}{}, struct{}{}
	for i := range 3 {
		vs.send([]byte("all"), []byte("news"))
		if m := <-fast.messages; m.name != "part" {
			t.Errorf("turn %d: the fast one gets %s", i, m.name)
		}
	}
	if m := <-slow.messages; m.name != "part" || slow.current {
		t.Errorf("the slow one gets %s and is current: %t", m.name, slow.current)
	}
	vs.send([]byte("all"), []byte("news"))
	if m := <-slow.messages; m.name != "whole" || !slow.current {
		t.Errorf("when it reads again it gets %s", m.name)
	}
}
