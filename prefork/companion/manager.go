package companion

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what a Manager tells whom. All functions may be called by several goroutines at once and must not block.
type Config struct {
	Log    func(level Level, pid int, text string)                   // what happens to programs; pid 0: to none of their processes
	Line   func(program *Program, name string, pid int, line []byte) // what they print, a line at a time without its end, valid during the call
	GaveUp func(program *Program)                                    // an essential program does not come up any more
	HTTP   func(ctx context.Context, url string) error               // for Check.HTTP
	Pause  func(failures int) time.Duration                          // before the next start; nil: from 1 s to 1 min, doubled each time, with a random part
	Watch  time.Duration                                             // how often memory and age are looked at; 0: 10 s
}

// Level is how much a line of Config.Log matters.
type Level uint8

// The levels.
const (
	Info Level = iota
	Warning
	Error
)

// Manager runs programs. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	spawn chan func() // what the thread does that is the parent of all; see start.go
	ended sync.Once   // spawn is closed
	guard *guard

	starting atomic.Int32 // starts that are under way
	children sync.Map     // pid → true, of what we reap

	applying sync.Mutex // one Apply or Stop at a time
	mu       sync.Mutex // guards what follows
	programs map[string]*program
	order    []string          // in which they were given: each behind those it needs
	alive    map[*process]bool // whose goroutines run, also of programs that there are not any more
	stopping bool
	sole     bool          // singletons may run; see Hold
	changed  chan struct{} // closed and replaced when a process became ready, or ceased to be
}

// program is one that is to be there.
type program struct {
	spec      *Program
	processes []*process
}

// ErrUnknown is the answer to a name that no program has.
var ErrUnknown = errors.New("there is no such companion")

// ErrStopping is the answer when the Manager stops.
var ErrStopping = errors.New("the server is shutting down")

// New returns a Manager without programs.
func New(cfg Config) *Manager {
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Watch == 0 {
		cfg.Watch = 10 * time.Second
	}
	m := &Manager{
		cfg: cfg, spawn: make(chan func()), programs: map[string]*program{}, alive: map[*process]bool{}, changed: make(chan struct{}), sole: true,
	}
	m.guard = &guard{m: m, groups: map[int]bool{}}
	// What a process of a program leaves behind becomes our child, so that it can be found and ended.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // the pool does the same and complains
	go m.parent()
	return m
}

// pause doubles from 1 s to 1 min, and adds up to a quarter so that not all come back in step.
func pause(failures int) time.Duration {
	d := min(time.Second<<min(max(failures-1, 0), 6), time.Minute)
	return d + rand.N(d/4)
}

// Owns reports whether a child of this process is the Manager's to reap, or may be: it says yes while one is being started, as the number
// is not known before the start has returned.
func (m *Manager) Owns(pid int) bool {
	if m.starting.Load() > 0 {
		return true
	}
	_, ours := m.children.Load(pid)
	return ours
}

// Hold keeps singletons from running while another master may run them, and lets them when it is called with false.
func (m *Manager) Hold(hold bool) {
	m.mu.Lock()
	m.sole = !hold
	m.mu.Unlock()
	m.announce()
}

// Apply makes these the programs, in the order of Parse: it ends those that are not among them, starts those that are new, starts those
// again that have changed, and lets the others run on. It does not wait for any of it.
func (m *Manager) Apply(specs []Program) {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return
	}
	old := m.programs
	m.programs, m.order = map[string]*program{}, nil
	for i := range specs {
		spec := &specs[i]
		now := &program{spec: spec}
		was := old[spec.Name]
		var former []*process
		if was != nil {
			former = was.processes
		}
		same := was != nil && equalButCount(was.spec, spec)
		for index := range max(spec.Count, len(former)) {
			var before *process
			if index < len(former) {
				before = former[index]
			}
			switch {
			case before != nil && same && index < spec.Count:
				now.processes = append(now.processes, before)
				before.tell(func() { before.reloaded(spec) })
			case index >= spec.Count:
				before.tell(before.leave)
			default:
				if before != nil {
					before.tell(before.leave)
				}
				now.processes = append(now.processes, m.newProcess(spec, index, before))
			}
		}
		m.programs[spec.Name] = now
		m.order = append(m.order, spec.Name)
		delete(old, spec.Name)
	}
	for _, gone := range old {
		for _, pr := range gone.processes {
			pr.tell(pr.leave)
		}
	}
}

func equalButCount(a, b *Program) bool {
	x, y := *a, *b
	x.Count, y.Count = 0, 0
	return reflect.DeepEqual(x, y)
}

// announce tells processes that wait for others to look again.
func (m *Manager) announce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.changed)
	m.changed = make(chan struct{})
}

// lacks returns what a program still waits for, empty when it need not, and a channel that is closed when that may have changed.
func (m *Manager) lacks(spec *Program) (what string, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, name := range spec.After {
		p := m.programs[name]
		if p == nil || slices.ContainsFunc(p.processes, func(pr *process) bool { return !pr.usable() }) {
			names = append(names, name)
		}
	}
	if spec.Singleton && !m.sole {
		names = append(names, "the other master")
	}
	return strings.Join(names, ", "), m.changed
}

// Stop ends all programs, each after those that need it, and waits. When ctx ends, what is left is killed. It returns the programs of which
// something had to be killed. No program can be started any more.
func (m *Manager) Stop(ctx context.Context) (cut []*Program) {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.mu.Lock()
	m.stopping = true
	var all []*process
	for pr := range m.alive {
		all = append(all, pr)
	}
	needed := map[string][]*process{} // program → processes that need it
	for _, pr := range all {
		for _, name := range pr.needs {
			needed[name] = append(needed[name], pr)
		}
	}
	m.mu.Unlock()
	var wait sync.WaitGroup
	for _, pr := range all {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for _, other := range needed[pr.program] {
				select {
				case <-other.done:
				case <-ctx.Done():
				}
			}
			pr.tell(pr.leave)
			select {
			case <-pr.done:
			case <-ctx.Done():
				pr.tell(pr.kill)
				<-pr.done
			}
		}()
	}
	wait.Wait()
	m.ended.Do(func() { close(m.spawn) })
	m.guard.close()
	for _, pr := range all {
		if pr.cut && !slices.ContainsFunc(cut, func(p *Program) bool { return p.Name == pr.program }) {
			cut = append(cut, pr.spec)
		}
	}
	slices.SortFunc(cut, func(a, b *Program) int { return strings.Compare(a.Name, b.Name) })
	return cut
}

// Hasten lets what stops have this long at most.
func (m *Manager) Hasten(most time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for pr := range m.alive {
		pr.tell(func() { pr.hasten(most) })
	}
}

// StopTime is how long the programs may take to stop, one after another where one needs another.
func (m *Manager) StopTime() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	times := map[string]time.Duration{}
	for _, name := range slices.Backward(m.order) { // those that need others come first
		spec := m.programs[name].spec
		for _, other := range spec.After {
			times[other] = max(times[other], times[name]+spec.stopTime())
		}
	}
	var most time.Duration
	for name, before := range times {
		most = max(most, before+m.programs[name].spec.stopTime())
	}
	for _, p := range m.programs {
		most = max(most, p.spec.stopTime())
	}
	return most
}

// find returns the processes that a name means: all of a program, or one as NAME:INDEX.
func (m *Manager) find(name string) ([]*process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return nil, ErrStopping
	}
	if p := m.programs[name]; p != nil {
		return slices.Clone(p.processes), nil
	}
	for _, p := range m.programs {
		for _, pr := range p.processes {
			if p.spec.process(pr.index) == name {
				return []*process{pr}, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %s; there are %s", ErrUnknown, name, listed(m.order))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Start starts a program that does not run, a timer's at once. It waits until it runs, or ctx ends.
func (m *Manager) Start(ctx context.Context, name string) error {
	return m.each(ctx, name, (*process).begin, func(s State) bool { return s != Starting })
}

// Halt stops a program until it is started again by name. It waits for its end, or that of ctx.
func (m *Manager) Halt(ctx context.Context, name string) error {
	return m.each(ctx, name, (*process).halt, func(s State) bool { return s != Stopping })
}

// Restart stops and starts a program, and waits until it runs or ctx ends. The processes of one take turns.
func (m *Manager) Restart(ctx context.Context, name string) error {
	all, err := m.find(name)
	for _, pr := range all {
		if err := pr.ask(ctx, pr.restart); err != nil {
			return err
		}
		if err := pr.await(ctx, func(s State) bool { return s != Stopping && s != Starting }); err != nil {
			return err
		}
	}
	return err
}

// Signal sends a signal, by its name or number, to the leader of each process of a program that runs.
func (m *Manager) Signal(ctx context.Context, name, signal string) error {
	sig, err := parseSignal(signal)
	if err != nil {
		return err
	}
	all, err := m.find(name)
	if err != nil {
		return err
	}
	sent := false
	for _, pr := range all {
		if err := pr.ask(ctx, func(pr *process) { sent = pr.signal(sig) || sent }); err != nil {
			return err
		}
	}
	if !sent {
		return fmt.Errorf("%s does not run", name)
	}
	return nil
}

// each asks all processes that a name means and waits until each is in a state that will do.
func (m *Manager) each(ctx context.Context, name string, what func(*process), enough func(State) bool) error {
	all, err := m.find(name)
	for _, pr := range all {
		if err := pr.ask(ctx, func(pr *process) { what(pr) }); err != nil {
			return err
		}
	}
	for _, pr := range all {
		if err := pr.await(ctx, enough); err != nil {
			return err
		}
	}
	return err
}

// signalGroup sends a signal to a group; that it has gone is no error.
func signalGroup(pgid int, sig syscall.Signal) {
	if pgid > 1 && pgid != os.Getpid() {
		_ = unix.Kill(-pgid, sig)
	}
}
