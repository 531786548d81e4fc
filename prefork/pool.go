package prefork

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// Times of the pool's own housekeeping.
const (
	sweepEvery  = 100 * time.Millisecond
	stacksWait  = time.Second            // for the stacks of a worker that is about to be killed
	statusWait  = 500 * time.Millisecond // for the zygote's report on a dead worker
	outputGrace = 200 * time.Millisecond // for the last words of a dead process
	killWait    = 2 * time.Second        // for processes to vanish after SIGKILL
	bootTries   = 3                      // workers of a generation that may die without a word before it serves
)

// ErrStopped is returned by Start when the pool was shut down before it could serve.
var ErrStopped = errors.New("prefork: stopped")

// Pool runs jobs in worker processes. All its methods may be called concurrently.
type Pool struct {
	cfg Config
	d   *dispatcher

	calls   chan func()   // run by the supervisor goroutine
	ended   chan struct{} // closed when the supervisor has left
	started chan error    // what Configure, Load and Start wait for; capacity 1
	once    sync.Once     // starts the supervisor

	// Owned by the supervisor goroutine.
	generations []*generation
	current     *generation
	incoming    *generation // booting, to replace current
	again       bool        // a reload was asked for since incoming was begun
	edited      bool        // the next generation is begun because files of the application have changed
	lastWorker  uint32
	failures    int   // boots and early deaths in a row, for the back-off
	revivals    int   // tries to replace a current generation without a zygote, for the back-off
	reviving    bool  // a try is due
	goal        phase // how far the first generation may go for now
	overflow    overflow
	stopping    bool
	last        *generation     // the one whose zygote says good-bye for the server; nil: there is none, or it has been told to
	stopped     []chan struct{} // closed when nothing is left
	dying       int             // dead workers whose end is still to be logged
	oomKills    int64           // the kernel's count when it was last looked at
	forks       uint64          // Stats.Spawned
	dismissed   uint64          // Stats.Ended
	pings       []chan struct{} // of Ping; closed by the first answer
	children    map[int]bool    // zygotes, which exec.Cmd reaps
	reload      ReloadStatus    // the last one
	scales      scales

	asked  atomic.Int64                 // reloads
	scribe atomic.Pointer[wire.Packets] // the newest zygote that has loaded
	size   atomic.Int64                 // workers that the current generation is to have
	mu     sync.Mutex
	stats  Stats // guarded by mu
}

// Stats is a snapshot of a pool.
type Stats struct {
	Booting, Ready, Retiring int    // workers by state
	Overflow                 int    // of them those beyond Config.Workers
	SoftTimeouts             uint64 // requests in which SoftTimeout was raised
	Spawned                  uint64 // workers since the start
	Ended                    uint64 // of them those that were told to leave or killed, and are gone
	Busy                     int    // jobs with the workers
	Slots                    lane.SlotStatus
	Lanes                    []lane.LaneStatus
}

// New prepares a pool; Start starts it.
func New(cfg Config) (*Pool, error) {
	cfg.defaults()
	if cfg.os.rand == nil {
		cfg.os.rand = rand.IntN
	}
	if cfg.os.root == nil {
		cfg.os.root = os.DirFS("/")
	}
	if st, err := os.Stat(cfg.Worker); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("the worker binary %q cannot be run: build it with \"make build\" or name it in GOUNICORN_WORKER", cfg.Worker)
	}
	p := &Pool{
		cfg: cfg, calls: make(chan func(), 64), ended: make(chan struct{}), started: make(chan error, 1), children: map[int]bool{},
		reload: ReloadStatus{State: ReloadNone},
	}
	var err error
	if p.d, err = newDispatcher(&p.cfg); err != nil {
		return nil, err
	}
	p.oomKills, _ = OOMKills(p.cfg.os.root)
	return p, nil
}

// Configure starts the zygote of the first generation and waits until it has answered and Config.Decide has made a plan of that. The
// error is Decide's, or a *BootError that says why there was no answer; everything has been stopped then. ctx ends the wait, not
// the pool. Configure, Load and Start are steps of one start, to be called in this order; each does what was left out before it.
func (p *Pool) Configure(ctx context.Context) error { return p.reach(ctx, configured) }

// Load sends the boot document and waits until the zygote is ready to fork, as Configure.
func (p *Pool) Load(ctx context.Context) error { return p.reach(ctx, loaded) }

// Start tells the zygote that the server is ready, forks the workers and waits until each has loaded the application, as Configure.
func (p *Pool) Start(ctx context.Context) error { return p.reach(ctx, forking) }

// reach lets the first generation go on until it has reached a phase.
func (p *Pool) reach(ctx context.Context, goal phase) error {
	p.once.Do(func() {
		// What a dead zygote leaves behind becomes our child, so that it can be ended and reaped.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			p.cfg.warning(0, fmt.Sprintf("cannot become child subreaper: %v", err))
		}
		go p.supervise()
		go p.d.flusher(p.ended)
		p.do(p.begin)
	})
	p.do(func() {
		p.goal = goal
		if p.incoming != nil {
			p.proceed(p.incoming)
		}
	})
	select {
	case err := <-p.started:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resize changes the number of workers of the current generation; what a generation after it has is in its own plan. The oldest of
// those that are too many retire. 0 leaves requests waiting.
func (p *Pool) Resize(workers int) {
	p.do(func() {
		if p.current != nil {
			p.resize(p.current, max(workers, 0))
		}
	})
}

// Grow changes the number of workers as Resize does, by so many; there remains one at least. It returns how many there were to be and
// are now, 0 and 0 when the pool has ended or serves not yet.
func (p *Pool) Grow(by int) (before, after int) {
	done := make(chan [2]int, 1)
	p.do(func() {
		g := p.current
		if g == nil {
			done <- [2]int{}
			return
		}
		before := g.size
		p.resize(g, max(before+by, 1))
		done <- [2]int{before, g.size}
	})
	select {
	case sizes := <-done:
		return sizes[0], sizes[1]
	case <-p.ended:
		return 0, 0
	}
}

// Retire lets a worker finish what it runs and leave, as if somebody had asked it to by a signal; another one takes its place. One that
// serves goes on until its successor is ready, and if others are being replaced it is its turn after them. It returns false when there is
// no such worker.
func (p *Pool) Retire(pid int) (found bool) {
	done := make(chan bool, 1)
	p.do(func() {
		for _, g := range p.generations {
			for _, w := range g.workers {
				if w.pid == pid && w.state != dead {
					if w.unwanted = w.state == ready && g == p.current && !g.exited; w.unwanted {
						p.recycle(time.Now())
					} else {
						p.stop(w, CauseSignal)
					}
					done <- true
					return
				}
			}
		}
		done <- false
	})
	select {
	case found = <-done:
		return found
	case <-p.ended:
		return false
	}
}

// Size is how many workers the current generation is to have, 0 when there is none.
func (p *Pool) Size() int { return int(p.size.Load()) }

// Quit asks all workers to leave at once, in the middle of what they run (SIGQUIT). Shutdown is to follow.
func (p *Pool) Quit() {
	p.do(func() {
		for _, g := range p.generations {
			for _, w := range g.workers {
				w.signal(unix.SIGQUIT)
			}
		}
	})
}

// PreExec tells the zygote that another master is about to be started and waits until it has run what it has for that.
func (p *Pool) PreExec(ctx context.Context) error {
	ran := make(chan struct{})
	p.do(func() {
		if g := p.current; g != nil && !g.exited && g.control.Send(wire.Header{Kind: wire.KindEvent, Aux: wire.EventPreExec}, nil) == nil {
			g.preExec = append(g.preExec, ran)
			return
		}
		close(ran)
	})
	select {
	case <-ran:
		return nil
	case <-p.ended:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload starts a new generation, with the configuration and the application's code as they are now. The old one serves until every worker of the new one is
// ready; if the new one cannot be loaded, the old one stays and the log says why. One that is asked for while another is under way follows it.
// It returns the number of the request: that of Status.Reload is not less from the time when something was done for this one.
func (p *Pool) Reload() (number int) {
	number = int(p.asked.Add(1))
	p.do(p.begin)
	return number
}

// Renew is Reload because a developer has changed a file: workers that leave for it run gunicorn's hook worker_int (wire.StopEdited).
func (p *Pool) Renew() {
	p.asked.Add(1)
	p.do(func() {
		p.edited = true
		p.begin()
	})
}

// Submit takes a job; its Sink will be told exactly once that it is over, perhaps before Submit returns.
func (p *Pool) Submit(j *Job) { p.d.submit(j) }

// Withdraw takes a job back that has not started. When it returns true the job is over and its Sink is not called; when it returns
// false the job runs or is over, and the Sink hears of its end as usual.
func (p *Pool) Withdraw(j *Job) bool { return p.d.recall(j) }

// Abandon says that nobody waits for the response of a job: its worker stops at the next piece and closes the iterable.
func (p *Pool) Abandon(j *Job) { p.d.abandon(j) }

// HalfClosed says that the client of a job has ended its side of the connection, and most likely left. The job goes on; its lane
// learns how long its clients wait.
func (p *Pool) HalfClosed(j *Job) { p.d.halfClosed(j) }

// ErrNoZygote says that there is no process for a record of the master's.
var ErrNoZygote = errors.New("no zygote to write a record")

// Record sends a record of the master's to the newest zygote that has loaded, for Python's logging; level is a wire.Level…, payload at
// most a packet. It waits while that one does not keep up. It may be called from any goroutine.
func (p *Pool) Record(level int, payload []byte) error {
	to := p.scribe.Load()
	if to == nil {
		return ErrNoZygote
	}
	return to.Send(wire.Header{Kind: wire.KindRecord, Aux: uint16(level)}, payload)
}

// Reopen tells the zygotes that log files have been renamed; they tell their workers.
func (p *Pool) Reopen() {
	p.do(func() {
		for _, g := range p.generations {
			if g.phase >= loaded && !g.exited {
				_ = g.control.Send(wire.Header{Kind: wire.KindEvent, Aux: wire.EventReopen}, nil)
			}
		}
	})
}

// Stats returns a snapshot.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	p.d.mu.Lock()
	s.Slots, s.Lanes = p.d.lanes.Load(time.Since(p.d.epoch))
	p.d.mu.Unlock()
	s.Busy = s.Slots.ComputingBusy + s.Slots.SpareBusy
	return s
}

// Shutdown stops the pool: jobs that wait fail with Stopping, those that run may end until ctx is done, then everything is killed.
// It returns when no process is left, ctx.Err() when some had to be killed.
func (p *Pool) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	p.do(func() { p.shutdown(done) })
	select {
	case <-done:
		return nil
	case <-p.ended:
		return nil
	case <-ctx.Done():
	}
	p.do(p.killWorkers)
	select {
	case <-done:
		return ctx.Err()
	case <-p.ended:
		return ctx.Err()
	case <-time.After(killWait): // for the zygote's good-bye
	}
	p.do(p.killZygotes)
	select {
	case <-done:
	case <-p.ended:
	case <-time.After(killWait):
		p.cfg.error(0, "processes are left that do not die")
	}
	return ctx.Err()
}

// do runs f on the supervisor goroutine, later.
func (p *Pool) do(f func()) {
	select {
	case p.calls <- f:
	case <-p.ended:
	}
}

func (p *Pool) nextID() uint32 {
	p.lastWorker = p.lastWorker%0xffffff + 1 // 24 bits of a slot's word; 0 is nobody
	return p.lastWorker
}

// maxRequests draws the share of one worker.
func (p *Pool) maxRequests(l *Plan) int {
	if l.MaxRequests <= 0 {
		return 0
	}
	return l.MaxRequests + p.cfg.os.rand(l.MaxRequestsJitter+1)
}
