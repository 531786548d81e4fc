package top

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/history"
)

// site is a server that is told what to say and notes what it is asked.
type site struct {
	doc  insight.Document
	err  error
	told []string
}

func (s *site) Look() (insight.Document, error) { return s.doc, s.err }
func (s *site) Stacks(pid int) (string, error) {
	return fmt.Sprintf("Thread 1\n  File \"pdf\x1b]0;x\x07.py\", line %d in render", pid), nil
}
func (s *site) Reload() error      { s.told = append(s.told, "reload"); return nil }
func (s *site) Scale(by int) error { s.told = append(s.told, fmt.Sprint("scale ", by)); return nil }

func document() insight.Document {
	d := insight.Document{
		Version: "0.1.0", Python: "3.11", App: "shop.wsgi:application", PID: 100, State: insight.StateServing, Time: time.Unix(1_800_000_000, 0), Uptime: 3700,
		Wanted: 3, Host: insight.Host{CPUs: 2, MemoryLimit: 4 << 30},
		Processes:  map[int]insight.Process{101: {PSS: 30 << 20, CPU: 1}, 102: {PSS: 90 << 20, CPU: 4}, 103: {PSS: 50 << 20, CPU: 2}},
		Companions: []control.Companion{{Name: "beat", State: "RUNNING", Healthy: true, PID: 200}},
	}
	d.Generation = 2
	d.Workers = []prefork.WorkerStatus{
		{PID: 101, State: "ready", Threads: 1},
		{PID: 102, State: "ready", Threads: 1, Requests: []prefork.RequestStatus{{Request: "GET /invoice/7\x1b[31m.pdf", Lane: "slow", Seconds: 12}}},
		{PID: 103, State: "ready", Overflow: true, Threads: 1, Requests: []prefork.RequestStatus{{Request: "GET /report", Lane: "slow", Seconds: 3}}},
	}
	d.Status.Lanes = []lane.LaneStatus{{Name: "fast", Sent: 500}, {Name: "slow", Running: 2, Waiting: 4, Oldest: 1.5, Refused: 1}}
	d.Routes = []lane.RouteStatus{{Key: "GET /", Estimate: 0.004, Requests: 480}, {Key: "GET /invoice/:n.pdf", Estimate: 0.9, Requests: 20}}
	d.Record = history.Record{
		Series: history.Series{Requests: []uint32{0, 10, 20, 40}, App: []uint32{0, 5, 10, 20}, ServerErrors: []uint32{0, 0, 0, 1}},
		Lanes:  []history.Window{{Name: "fast", Requests: 500, Total: history.Times{P50: 0.004, P99: 0.0123}}},
		Events: []history.Event{{Time: 1_799_999_000, Kind: history.KindRestart, Cause: "signal", PID: 99, Text: "worker 99 was replaced"}},
	}
	return d
}

// shown is the model after some messages, on a screen of a size.
func shown(s *site, width, height int, messages ...tea.Msg) *model {
	m := newModel(s, time.Second)
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m.Update(m.look())
	for _, msg := range messages {
		_, cmd := m.Update(msg)
		if cmd != nil {
			if next := cmd(); next != nil {
				m.Update(next)
			}
		}
	}
	return m
}

func press(key string) tea.KeyPressMsg { return tea.KeyPressMsg{Text: key, Code: []rune(key)[0]} }

func TestOverview(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {60, 24}, {200, 50}} {
		view := shown(&site{doc: document()}, size[0], size[1]).text()
		lines := strings.Split(view, "\n")
		if len(lines) != size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if w := ansi.StringWidth(line); w > size[0] {
				t.Errorf("%v: a line of %d columns: %q", size, w, line)
			}
		}
		for _, want := range []string{"shop.wsgi:application", "serving", "102", "GET /invoice/7?[31m.p", "12s", "slow", "1 overview"} {
			if !strings.Contains(plainText(view), want) {
				t.Errorf("%v: the screen does not have %q:\n%s", size, want, plainText(view))
			}
		}
	}
}

// What clients send must not steer the terminal.
func TestNothingFromTheServerSteersTheTerminal(t *testing.T) {
	for _, messages := range [][]tea.Msg{nil, {press("2")}, {press("3")}, {press("4")}, {press("5")}, {press("s")}} {
		view := shown(&site{doc: document()}, 120, 30, messages...).text()
		if strings.Contains(view, "\x1b[31m.pdf") || strings.ContainsAny(view, "\x07") || strings.Contains(view, "\x1b]0;") {
			t.Errorf("%v: %q", messages, view)
		}
	}
}

func TestWorkersAreSortedAndChosen(t *testing.T) {
	m := shown(&site{doc: document()}, 100, 30, press("2"))
	first := func() string { return strings.Fields(plainText(m.workers(3)[1]))[0] }
	for _, want := range []string{"102", "101", "101", "102"} { // request, pid, cpu (nothing is known yet), memory
		if got := first(); got != want {
			t.Errorf("by %s the first is %s, want %s", orderNames[m.order], got, want)
		}
		m.Update(press("o"))
	}
	m.Update(press("j"))
	if m.chosen != 103 {
		t.Errorf("down chooses %d", m.chosen)
	}
	m = shown(&site{doc: document()}, 100, 30, press("j"), press("s"))
	if view := plainText(m.text()); !strings.Contains(view, "Worker 103") || !strings.Contains(view, "line 103 in render") {
		t.Errorf("the details of 103:\n%s", view)
	}
}

func TestNothingIsDoneWithoutAYes(t *testing.T) {
	for _, c := range []struct {
		keys string
		told string
	}{
		{"r y", "reload"}, {"r n", ""}, {"+ y", "scale 1"}, {"- y", "scale -1"}, {"- q", ""},
	} {
		s := &site{doc: document()}
		var messages []tea.Msg
		for _, key := range strings.Fields(c.keys) {
			messages = append(messages, press(key))
		}
		m := shown(s, 100, 30, messages...)
		if got := strings.Join(s.told, ","); got != c.told {
			t.Errorf("%s: the server was told %q, want %q", c.keys, got, c.told)
		}
		if m.message == "" || m.asked != "" {
			t.Errorf("%s: message %q, question %q", c.keys, m.message, m.asked)
		}
	}
}

func TestServerThatHasGoneIsSaidAndComesBack(t *testing.T) {
	s := &site{doc: document()}
	m := shown(s, 100, 30)
	s.err = errors.New("nobody listens")
	m.Update(m.look())
	if !strings.Contains(plainText(m.text()), "has gone") {
		t.Errorf("it is not said:\n%s", plainText(m.text()))
	}
	s.err = nil
	m.Update(m.look())
	if strings.Contains(plainText(m.text()), "has gone") {
		t.Error("it is still said")
	}
	if view := shown(&site{err: errors.New("no socket")}, 80, 24).text(); !strings.Contains(view, "no socket") {
		t.Errorf("at the start: %q", view)
	}
}

func TestOnceIsPlainAndWhole(t *testing.T) {
	var b strings.Builder
	d := document()
	if err := Once(&b, &d, 100); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "worker 99 was replaced") || !strings.Contains(text, "GET /report") {
		t.Errorf("%q", text)
	}
}

func TestKeysOpenScreens(t *testing.T) {
	m := shown(&site{doc: document()}, 100, 30, tea.KeyPressMsg{Code: tea.KeyTab}, tea.KeyPressMsg{Code: tea.KeyTab})
	if m.screen != routes {
		t.Errorf("Tab Tab opens %d", m.screen)
	}
	for key, want := range map[string]string{"2": "RUNS", "3": "GET /invoice/:n.pdf", "4": "beat", "5": "worker 99", "?": "Python stacks"} {
		m.Update(press(key))
		if !strings.Contains(plainText(m.text()), want) {
			t.Errorf("%s does not show %q:\n%s", key, want, plainText(m.text()))
		}
	}
	if _, cmd := m.Update(press("q")); cmd == nil {
		t.Error("q does not quit")
	}
}
