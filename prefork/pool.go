package prefork

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/gounicorn/gounicorn/prefork/lane"
	"golang.org/x/sys/unix"
)

// Times of the pool's own housekeeping.
const (
	sweepEvery  = 100 * time.Millisecond
	stacksWait  = time.Second            // for the stacks of a worker that is about to be killed
	statusWait  = 500 * time.Millisecond // for the zygote's report on a dead worker
	outputGrace = 200 * time.Millisecond // for the last words of a dead process
	killWait    = 2 * time.Second        // for processes to vanish after SIGKILL
	bootTries   = 3                      // workers that may die without a word at the first start
)

// ErrStopped is returned by Start when the pool was shut down before it could serve.
var ErrStopped = errors.New("prefork: stopped")

// Pool runs jobs in worker processes. All its methods may be called concurrently.
type Pool struct {
	cfg Config
	d   *dispatcher

	calls   chan func()   // run by the supervisor goroutine
	ended   chan struct{} // closed when the supervisor has left
	started chan error    // what Start waits for; capacity 1

	// Owned by the supervisor goroutine.
	generations []*generation
	current     *generation
	incoming    *generation // booting, to replace current
	again       bool        // a reload was asked for since incoming was begun
	lastWorker  uint32
	failures    int  // boots and early deaths in a row, for the back-off
	revivals    int  // tries to replace a current generation without a zygote, for the back-off
	reviving    bool // a try is due
	overflow    overflow
	stopping    bool
	stopped     []chan struct{} // closed when nothing is left
	children    map[int]bool    // zygotes, which exec.Cmd reaps

	mu    sync.Mutex
	stats Stats // guarded by mu
}

// Stats is a snapshot of a pool.
type Stats struct {
	Booting, Ready, Retiring int // workers by state
	Busy                     int // jobs with the workers
	WaitingFast, WaitingSlow int // jobs that wait in the master; only those known to be slow count as slow
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
	}
	var err error
	if p.d, err = newDispatcher(&p.cfg); err != nil {
		return nil, err
	}
	return p, nil
}

// Start forks the workers and waits until each has loaded the application. A *BootError says why it could not be loaded; everything
// has been stopped then. ctx ends the wait, not the pool.
func (p *Pool) Start(ctx context.Context) error {
	// What a dead zygote leaves behind becomes our child, so that it can be ended and reaped.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		p.cfg.warning(0, fmt.Sprintf("cannot become child subreaper: %v", err))
	}
	go p.supervise()
	go p.d.flusher(p.ended)
	p.do(p.begin)
	select {
	case err := <-p.started:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload starts a new generation, with the application's code as it is now. The old one serves until every worker of the new one is
// ready; if the new one cannot be loaded, the old one stays and the log says why. One that is asked for while another is under way follows it.
func (p *Pool) Reload() { p.do(p.begin) }

// Submit takes a job; its Sink will be told exactly once that it is over, perhaps before Submit returns.
func (p *Pool) Submit(j *Job) { p.d.submit(j) }

// Withdraw takes a job back that has not started. When it returns true the job is over and its Sink is not called; when it returns
// false the job runs or is over, and the Sink hears of its end as usual.
func (p *Pool) Withdraw(j *Job) bool { return p.d.recall(j) }

// Abandon says that nobody waits for the response of a job: its worker stops at the next piece and closes the iterable.
func (p *Pool) Abandon(j *Job) { p.d.abandon(j) }

// Stats returns a snapshot.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	p.d.mu.Lock()
	s.Busy = p.d.lanes.Busy() + p.d.lanes.SpareBusy()
	s.WaitingFast = p.d.lanes.WaitingIn(lane.Fast) + p.d.lanes.WaitingIn(lane.Unknown)
	s.WaitingSlow = p.d.lanes.Waiting() - s.WaitingFast
	p.d.mu.Unlock()
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
	p.do(p.killAll)
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
func (p *Pool) maxRequests() int {
	if p.cfg.MaxRequests <= 0 {
		return 0
	}
	return p.cfg.MaxRequests + p.cfg.os.rand(p.cfg.MaxRequestsJitter+1)
}
