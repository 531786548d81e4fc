package prefork

import (
	"fmt"
	"time"
)

// How one generation follows another: a reload, or another zygote in the place of one that died.

// The states of a ReloadStatus.
const (
	ReloadNone    = "none"    // none was asked for yet
	ReloadRunning = "running" // the new generation loads; the old one serves
	ReloadDone    = "done"    // the new generation serves
	ReloadFailed  = "failed"  // the old generation goes on
)

// ReloadStatus says what became of the last reload. Reloads that are asked for while another one is under way make one together.
type ReloadStatus struct {
	Number     int       `json:"number"` // of the newest request that it answers, see Pool.Reload
	State      string    `json:"state"`
	Generation int       `json:"generation"` // that is or was to serve
	Began      time.Time `json:"began"`
	Seconds    float64   `json:"seconds"` // that it took; while it runs: so far
	Error      string    `json:"error"`   // why it failed: a sentence, and the traceback if there is one
}

// reloadBegan notes that a generation is started for the reloads that were asked for and not begun yet, if there are any.
func (p *Pool) reloadBegan(generation int) {
	if asked := int(p.asked.Load()); asked > p.reload.Number {
		p.reload = ReloadStatus{Number: asked, State: ReloadRunning, Generation: generation, Began: time.Now()}
	}
}

// reloadEnded notes what became of it; e is nil when the generation serves.
func (p *Pool) reloadEnded(generation int, e *BootError) {
	r := &p.reload
	if r.State != ReloadRunning || r.Generation != generation {
		return
	}
	r.State, r.Seconds = ReloadDone, time.Since(r.Began).Seconds()
	if e != nil {
		r.State, r.Error = ReloadFailed, e.Text
	}
}

// reloaded is the last reload as it is now.
func (p *Pool) reloaded(now time.Time) ReloadStatus {
	r := p.reload
	if r.State == ReloadRunning {
		r.Seconds = now.Sub(r.Began).Seconds()
	}
	return r
}

// begin starts a generation that will replace the current one, if any.
func (p *Pool) begin() {
	if p.stopping {
		return
	}
	if p.incoming != nil {
		p.again = true // it may have read the code before the change that this is about
		return
	}
	number := 1
	for _, g := range p.generations {
		number = max(number, g.number+1)
	}
	p.reloadBegan(number)
	g, err := p.spawn(number)
	if err != nil {
		e := &BootError{Code: 1, Text: err.Error()}
		p.reloadEnded(number, e)
		p.bootFailed(nil, e)
		return
	}
	g.edited, p.edited = p.edited, false
	p.generations = append(p.generations, g)
	p.incoming = g
}

// beginAgain starts the reload that was asked for while another one was under way. Any number of requests makes one.
func (p *Pool) beginAgain() {
	if p.again {
		p.again = false
		p.begin()
	}
}

// mayServe lets a generation take over once all its workers are ready, or enough of them where they replace others one by one.
func (p *Pool) mayServe(g *generation) {
	if g.serving || g.ending {
		return
	}
	able := g.count(ready)
	if able < g.size && !p.enough(g, able) {
		p.advance()
		return
	}
	g.serving = true
	if g != p.incoming {
		return
	}
	old := p.current
	p.current, p.incoming, p.revivals = g, nil, 0
	if old != nil {
		p.d.follow(g.plan, false)
	}
	p.d.aim(g)
	if old != nil {
		old.outdated = g.edited
		p.end(old)
	}
	p.reloadEnded(g.number, nil)
	g.plan.Serving()
	if able < g.size {
		p.cfg.info(0, fmt.Sprintf("Ready: %d of %d workers; the others follow as the old ones leave", able, g.size))
	} else {
		p.cfg.info(0, fmt.Sprintf("Ready: %d workers", g.size))
	}
	p.size.Store(int64(g.size))
	p.announce(nil)
	p.advance()
	p.beginAgain()
}

// refuse ends a generation for whose configuration there is no plan.
func (p *Pool) refuse(g *generation, err error) {
	if p.current == nil {
		p.announce(err)
		p.shutdown(nil)
		return
	}
	p.bootFailed(g, &BootError{Code: 1, Text: err.Error()})
}

// bootFailed decides what a failed boot means: the end at the first start, another try later once the site was up.
func (p *Pool) bootFailed(g *generation, e *BootError) {
	if p.current == nil {
		p.announce(e)
		p.shutdown(nil)
		return
	}
	if !e.Told {
		p.cfg.error(e.PID, e.Text)
	}
	if g == nil || g == p.incoming {
		p.cfg.error(0, "Reload failed: the old workers go on serving.")
		p.cfg.Kept()
	}
	if g != nil && g == p.incoming {
		p.reloadEnded(g.number, e)
		p.incoming = nil
		p.end(g)
		p.fill(p.current) // what has left for one by one
		p.beginAgain()
	}
	if g == nil || g.ending {
		p.reviveLater()
	}
}

// reviveLater tries to replace a generation whose zygote is dead, and which so can fork no successors, after a pause that grows.
func (p *Pool) reviveLater() {
	if p.reviving || p.current == nil || !p.current.exited || p.stopping {
		return
	}
	p.reviving = true
	pause := backoff(p.revivals)
	p.revivals++
	time.AfterFunc(pause, func() {
		p.do(func() {
			p.reviving = false
			if p.current.exited {
				p.begin()
			}
		})
	})
}
