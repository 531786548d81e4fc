package companion

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

const (
	lockEvery   = time.Second            // between two tries to get the lock of a singleton
	emptyEvery  = 50 * time.Millisecond  // between two looks at what is left of a group: nothing tells of its end
	leftoverMax = 5 * time.Second        // for what a leader that ended by itself leaves in its group
	calmAfter   = time.Minute            // a run of this length ends the growth of pauses
	exitNotRun  = -1                     // in place of an exit code
	outputGrace = 500 * time.Millisecond // for what is in the pipes when all is dead
)

// process is one process of a program, through all its runs. What has no other comment belongs to its goroutine.
type process struct {
	m       *Manager
	program string   // immutable, as are the next four
	needs   []string // programs
	index   int
	before  *process      // that must have ended first; nil: none
	done    chan struct{} // closed at the end of the goroutine

	mail sync.Mutex
	box  []func()      // guarded by mail
	wake chan struct{} // something is in box; capacity 1

	mu    sync.Mutex
	shown Status        // guarded by mu
	news  chan struct{} // closed and replaced when shown changes; guarded by mu

	spec     *Program
	state    State
	want     bool // it is to run
	leaving  bool // the goroutine is to end
	again    bool // the stop is followed by a start
	cut      bool // the last stop needed KILL
	failing  string
	sick     string // why it is stopped, to be started again after a pause
	run      *run
	lock     *os.File
	step     int // of spec.Stop
	starts   int
	tries    int // starts that failed in a row
	quick    int // ends after less than calmAfter in a row
	lastExit string
	lastGood bool
	next     time.Time // of a timer
	began    time.Time // the last run of a timer

	alarm   *time.Timer // what the state waits for
	alarmed func()
	due     time.Time
	empty   *time.Ticker    // while the leader is dead and its group is not; nil: no
	watch   *time.Ticker    // memory and age, while it runs; nil: no
	changed <-chan struct{} // while it waits for others; nil: it does not
}

// newProcess starts the goroutine of a process. The caller holds m.mu.
func (m *Manager) newProcess(spec *Program, index int, before *process) *process {
	pr := &process{
		m: m, program: spec.Name, needs: spec.After, index: index, before: before, done: make(chan struct{}), wake: make(chan struct{}, 1),
		news: make(chan struct{}), spec: spec, state: Stopped,
	}
	pr.shown = Status{Program: spec.Name, Index: index, State: Stopped, Since: time.Now(), Healthy: !spec.Autostart}
	pr.alarm = time.NewTimer(time.Hour)
	pr.alarm.Stop()
	m.alive[pr] = true
	go pr.live()
	return pr
}

// tell has f run by the goroutine; it never waits. After the end f is not run.
func (pr *process) tell(f func()) {
	pr.mail.Lock()
	pr.box = append(pr.box, f)
	pr.mail.Unlock()
	select {
	case pr.wake <- struct{}{}:
	default:
	}
}

// ask is tell, and waits until f was run.
func (pr *process) ask(ctx context.Context, f func(*process)) error {
	ran := make(chan struct{})
	pr.tell(func() { defer close(ran); f(pr) })
	select {
	case <-ran:
		return nil
	case <-pr.done:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// live is the goroutine.
func (pr *process) live() {
	defer func() {
		pr.unlock()
		pr.m.mu.Lock()
		delete(pr.m.alive, pr)
		pr.m.mu.Unlock()
		close(pr.done)
		pr.m.announce()
	}()
	if pr.before != nil {
		<-pr.before.done // whose stop is bounded; what we are told meanwhile waits
	}
	pr.read()
	if pr.spec.Autostart && !pr.leaving {
		pr.want = true
		pr.arm()
	}
	for !pr.leaving || pr.run != nil {
		var gone <-chan struct{}
		var ready <-chan error
		var ails <-chan ailment
		var empty, watch <-chan time.Time
		if pr.run != nil {
			gone, ready, ails = pr.run.gone, pr.run.ready, pr.run.ails
		}
		if pr.empty != nil {
			empty, gone = pr.empty.C, nil
		}
		if pr.watch != nil {
			watch = pr.watch.C
		}
		select {
		case <-pr.wake:
			pr.read()
		case <-pr.changed:
			pr.start()
		case <-pr.alarm.C:
			f := pr.alarmed
			pr.disarm()
			f()
		case <-gone:
			pr.leaderGone()
		case <-empty:
			pr.lookAtGroup()
		case err := <-ready:
			pr.checked(err)
		case a := <-ails:
			pr.ails(a)
		case <-watch:
			pr.look()
		}
	}
	pr.disarm()
}

// read does what it was told.
func (pr *process) read() {
	pr.mail.Lock()
	box := pr.box
	pr.box = nil
	pr.mail.Unlock()
	for _, f := range box {
		f()
	}
}

// set sets the one alarm.
func (pr *process) set(d time.Duration, f func()) {
	pr.alarm.Reset(d)
	pr.alarmed, pr.due = f, time.Now().Add(d)
}

func (pr *process) disarm() {
	pr.alarm.Stop()
	pr.alarmed, pr.due = nil, time.Time{}
}

func (pr *process) become(s State, note string) {
	pr.state = s
	pr.publish(s, note)
}

// arm starts a program, or the wait of a timer.
func (pr *process) arm() {
	if pr.spec.Timer == nil {
		pr.start()
		return
	}
	now := time.Now()
	if pr.began.IsZero() {
		pr.began = now
	}
	pr.next = pr.spec.Timer.after(pr.began, now)
	pr.set(pr.next.Sub(now), pr.start)
	state := pr.state
	if state != Exited {
		state = Stopped
	}
	pr.become(state, "next run at "+pr.next.Format(time.RFC3339))
}

// begin is asked for by name.
func (pr *process) begin() {
	switch pr.state {
	case Running, Starting:
	case Stopping:
		pr.want, pr.again = true, true
	default:
		pr.want, pr.tries, pr.quick = true, 0, 0
		pr.start()
	}
}

// start starts a run, once all that it needs is there.
func (pr *process) start() {
	if pr.run != nil {
		return
	}
	pr.disarm()
	pr.changed, pr.next = nil, time.Time{}
	if what, changed := pr.m.lacks(pr.spec); what != "" {
		pr.changed = changed
		pr.become(Starting, "waits for "+what)
		return
	}
	if err := pr.takeLock(); err != nil {
		pr.set(lockEvery, pr.start)
		pr.become(Starting, err.Error())
		return
	}
	pr.starts++
	pr.began = time.Now()
	r, err := pr.m.launch(pr)
	if err != nil {
		pr.lastExit, pr.lastGood = "not started: "+err.Error(), false
		pr.failed(err.Error())
		return
	}
	pr.run, pr.failing, pr.cut = r, "", false
	if pr.spec.Timer != nil || pr.spec.StartTime == 0 && pr.spec.Ready == nil {
		pr.running()
		return
	}
	pr.set(pr.spec.StartTime, pr.survived)
	pr.become(Starting, "")
}

// survived is called when it has lived for StartTime.
func (pr *process) survived() {
	pr.run.survived = true
	if pr.spec.Ready == nil || pr.run.able {
		pr.running()
		return
	}
	pr.become(Starting, "is not ready yet")
}

// checked gets the outcome of the check.
func (pr *process) checked(err error) {
	pr.run.ready = nil
	if pr.state != Starting || pr.empty != nil {
		return
	}
	if err != nil {
		pr.failing = fmt.Sprintf("was not ready within %v: %v", pr.spec.Ready.Timeout, err)
		pr.say(Warning, pr.run.pid, "%s", pr.failing)
		pr.stop()
		return
	}
	pr.run.able = true
	if pr.run.survived || pr.spec.StartTime == 0 {
		pr.running()
	}
}

func (pr *process) running() {
	pr.disarm()
	pr.tries = 0
	if t := pr.spec.Timer; t != nil && t.Timeout > 0 {
		pr.set(t.Timeout, func() {
			pr.say(Warning, pr.run.pid, "runs for more than %v and is stopped", t.Timeout)
			pr.stop()
		})
	}
	if pr.spec.MaxMemory > 0 || pr.spec.MaxAge > 0 {
		pr.watch = time.NewTicker(pr.m.cfg.Watch)
		if pr.spec.MaxAgeExtra > 0 {
			pr.run.extra = rand.N(pr.spec.MaxAgeExtra)
		}
	}
	if pr.spec.Health != nil {
		pr.run.ails = make(chan ailment, 1)
		r, spec := pr.run, pr.spec
		r.checks.Go(func() { pr.m.watchOver(r.ctx, spec, r.env, r.ails) })
	}
	if pr.spec.Timer == nil { // a timer that runs each minute says enough by itself
		pr.say(Info, pr.run.pid, "runs")
	}
	pr.become(Running, "")
}

// look restarts what is too large or too old.
func (pr *process) look() {
	if pr.state != Running {
		return
	}
	why := ""
	if most := pr.spec.MaxMemory; most > 0 {
		if used := groupMemory(pr.run.pid); used > most {
			why = fmt.Sprintf("uses %d MB, more than max_memory", used>>20)
		}
	}
	if most := pr.spec.MaxAge; most > 0 && time.Since(pr.run.started) > most+pr.run.extra {
		why = "has reached max_age"
	}
	if why != "" {
		pr.say(Info, pr.run.pid, "%s and is started again", why)
		pr.restart(pr)
	}
}

// ails is told how the check of its health went, when that is news.
func (pr *process) ails(a ailment) {
	switch h := pr.spec.Health; {
	case pr.state != Running || pr.empty != nil || h == nil:
	case a.failures == 0:
		pr.become(Running, "")
	case a.failures < h.Failures:
		pr.become(Running, fmt.Sprintf("failed its health check %d times of %d: %v", a.failures, h.Failures, a.err))
	default:
		pr.sick = fmt.Sprintf("failed its health check %d times: %v", a.failures, a.err)
		pr.say(Warning, pr.run.pid, "%s. It is stopped and started again.", pr.sick)
		pr.stop()
	}
}

// reloaded is told that the settings were read again, and are the same for it.
func (pr *process) reloaded(spec *Program) {
	pr.spec = spec
	switch {
	case pr.run == nil || pr.state == Stopping:
	case spec.OnReload == ReloadRestart:
		pr.restart(pr)
	case spec.OnReload == ReloadSignal:
		pr.signal(spec.ReloadWith)
	}
}

// restart stops and starts it.
func (pr *process) restart(*process) {
	pr.want, pr.tries, pr.quick = true, 0, 0
	if pr.run == nil {
		pr.start()
		return
	}
	pr.again = true
	pr.stop()
}

// name is how its lines are marked.
func (pr *process) name() string { return pr.spec.process(pr.index) }

// say logs what happens to it.
func (pr *process) say(level Level, pid int, format string, args ...any) {
	pr.m.cfg.Log(level, pid, "Companion "+pr.name()+" "+fmt.Sprintf(format, args...))
}
