package top

import (
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
)

// screen is one of the views.
type screen int

const (
	overview screen = iota
	workers
	routes
	companions
	events
	screens // how many there are
	details // of one worker
	help
)

var screenNames = [screens]string{"overview", "workers", "routes", "companions", "events"}

// narrowest is the width for which the screen is made at least.
const narrowest = 60

// order is by what the workers are sorted.
type order int

const (
	byAge order = iota // of the request that a worker runs
	byPID
	byCPU
	byMemory
	orders
)

var orderNames = [orders]string{"request", "pid", "cpu", "memory"}

// model is the state of the screen. Update is the only one who changes it.
type model struct {
	server        Server
	interval      time.Duration
	width, height int // height 0: no limit

	doc    insight.Document
	seen   bool
	cpu    map[int]float64 // share of a processor by pid, since the look before
	gone   error           // why the last look failed; nil: it did not
	paused bool

	screen  screen
	order   order
	chosen  int // pid of the chosen worker; 0: the first
	top     int // first row that is shown
	stacks  string
	asked   string // a question that waits for y
	do      func() error
	message string
}

func newModel(s Server, interval time.Duration) *model {
	return &model{server: s, interval: interval, width: 80, height: 24, cpu: map[int]float64{}}
}

// The messages.
type (
	looked struct {
		doc insight.Document
		err error
	}
	tick    struct{}
	done    struct{ text string }
	stacked struct {
		pid  int
		text string
	}
)

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.look }

func (m *model) look() tea.Msg {
	d, err := m.server.Look()
	return looked{d, err}
}

func (m *model) later() tea.Cmd {
	return tea.Tick(m.interval, func(time.Time) tea.Msg { return tick{} })
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case looked:
		if m.gone = msg.err; msg.err == nil && !m.paused {
			m.took(msg.doc)
		}
		return m, m.later()
	case tick:
		return m, m.look
	case done:
		m.message = msg.text
	case stacked:
		if msg.pid == m.chosen {
			m.stacks = msg.text
		}
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	return m, nil
}

// took takes a document.
func (m *model) took(d insight.Document) {
	if m.seen {
		if passed := d.Time.Sub(m.doc.Time).Seconds(); passed > 0 {
			m.cpu = map[int]float64{}
			for pid, p := range d.Processes {
				if before, ok := m.doc.Processes[pid]; ok {
					m.cpu[pid] = max(p.CPU-before.CPU, 0) / passed
				}
			}
			m.cpu[d.PID] = max(d.Master.CPU-m.doc.Master.CPU, 0) / passed
		}
	}
	m.doc, m.seen = d, true
}

// key does what a key says.
func (m *model) key(key string) (tea.Model, tea.Cmd) {
	if m.asked != "" {
		return m.answered(key == "y" || key == "Y")
	}
	m.message = ""
	switch key {
	case "q", "ctrl+c":
		return m, tea.Quit
	case "esc":
		if m.screen >= screens {
			m.open(overview)
		}
	case "?", "h":
		m.open(help)
	case "tab", "right", "l":
		m.open((min(m.screen, screens-1) + 1) % screens)
	case "shift+tab", "left":
		m.open((min(m.screen, screens-1) + screens - 1) % screens)
	case "1", "2", "3", "4", "5":
		m.open(screen(key[0] - '1'))
	case "p", "space":
		m.paused = !m.paused
	case "o":
		m.order = (m.order + 1) % orders
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-10)
	case "pgdown":
		m.move(10)
	case "enter", "s":
		return m.inspect()
	case "r":
		m.ask("Reload: start new workers with the code as it is now?", m.server.Reload, "the reload has begun")
	case "+":
		m.ask("Start one more worker?", func() error { return m.server.Scale(1) }, "one more worker is started")
	case "-":
		m.ask("Retire one worker?", func() error { return m.server.Scale(-1) }, "one worker is retired")
	}
	return m, nil
}

func (m *model) open(s screen) { m.screen, m.top = s, 0 }

// ask puts a question before something is done.
func (m *model) ask(question string, do func() error, outcome string) {
	m.asked = question
	m.do = func() error {
		if err := do(); err != nil {
			return err
		}
		return outcomeText(outcome)
	}
}

// outcomeText is what to say when something was done.
type outcomeText string

func (o outcomeText) Error() string { return string(o) }

func (m *model) answered(yes bool) (tea.Model, tea.Cmd) {
	do := m.do
	m.asked, m.do = "", nil
	if !yes {
		m.message = "nothing was done"
		return m, nil
	}
	return m, func() tea.Msg { return done{do().Error()} }
}

// sorted is the workers in the order that was chosen.
func (m *model) sorted() []prefork.WorkerStatus {
	all := slices.Clone(m.doc.Workers)
	key := func(w *prefork.WorkerStatus) float64 {
		switch m.order {
		case byAge:
			if len(w.Requests) > 0 {
				return w.Requests[0].Seconds
			}
		case byCPU:
			return m.cpu[w.PID]
		case byMemory:
			return float64(m.doc.Processes[w.PID].PSS)
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b prefork.WorkerStatus) int {
		switch x, y := key(&a), key(&b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return a.PID - b.PID
	})
	return all
}

// move chooses another worker where there are some to choose from, and else scrolls.
func (m *model) move(by int) {
	if m.screen != overview && m.screen != workers {
		m.top = max(m.top+by, 0)
		return
	}
	all := m.sorted()
	if len(all) == 0 {
		return
	}
	at := slices.IndexFunc(all, func(w prefork.WorkerStatus) bool { return w.PID == m.chosen })
	m.chosen = all[min(max(max(at, 0)+by, 0), len(all)-1)].PID
}

// inspect opens the details of the chosen worker and asks for its stacks.
func (m *model) inspect() (tea.Model, tea.Cmd) {
	all := m.sorted()
	if len(all) == 0 {
		return m, nil
	}
	if !slices.ContainsFunc(all, func(w prefork.WorkerStatus) bool { return w.PID == m.chosen }) {
		m.chosen = all[0].PID
	}
	m.open(details)
	m.stacks = ""
	pid := m.chosen
	return m, func() tea.Msg {
		text, err := m.server.Stacks(pid)
		if err != nil {
			text = fmt.Sprintf("no stacks: %v", err)
		}
		return stacked{pid, text}
	}
}
