package console

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/server/control"
	"github.com/gounicorn/gounicorn/server/history"
)

// doReload waits until the generation that was asked for serves.
func doReload(s *session, _ []string) int {
	before, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	if err := s.do("reload", nil); err != nil {
		return s.failed(err)
	}
	if s.noWait {
		return exitOK
	}
	var after prefork.ReloadStatus
	err = s.await(func(d *insight.Document) (bool, string) {
		after = d.Reload
		if after.Number <= before.Reload.Number {
			return false, ""
		}
		return after.State != prefork.ReloadRunning, fmt.Sprintf("generation %d: %d of %d workers have loaded the application", after.Generation, ready(d, after.Generation), d.Wanted)
	})
	switch {
	case err != nil:
		return s.failed(err)
	case s.json:
		s.print(after)
	case after.State == prefork.ReloadDone:
		fmt.Fprintf(s.Stdout, "Generation %d serves, after %s.\n", after.Generation, lastingShort(after.Seconds))
	}
	if after.State != prefork.ReloadDone {
		fmt.Fprintf(s.Stderr, "gounicorn ctl: error: the reload failed, and the workers with the old code go on:\n\n%s\n", printableText(after.Error))
		return exitError
	}
	return exitOK
}

// ready counts the workers of a generation that serve, without overflow workers; generation 0 is any.
func ready(d *insight.Document, generation int) (n int) {
	for _, w := range d.Workers {
		if w.State == "ready" && !w.Overflow && (generation == 0 || w.Generation == generation) {
			n++
		}
	}
	return n
}

// doRestart replaces one worker after the other.
func doRestart(s *session, _ []string) int {
	if s.noWait {
		return s.failed(errors.New("restart has to wait: it replaces a worker when the one before it has been replaced; leave --no-wait out"))
	}
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	var replaced int
	for _, w := range d.Workers {
		if w.State == "retiring" || w.State == "dead" {
			continue
		}
		if err := s.do("worker kill "+strconv.Itoa(w.PID), nil); err != nil {
			continue // it has gone by itself
		}
		replaced++
		err := s.await(func(now *insight.Document) (bool, string) {
			gone := true
			for _, o := range now.Workers {
				gone = gone && (o.PID != w.PID || o.State == "retiring" || o.State == "dead")
			}
			return gone && ready(now, 0) >= min(now.Wanted, ready(&d, 0)), fmt.Sprintf("worker %d of %d: pid %d finishes", replaced, len(d.Workers), w.PID)
		})
		if err != nil {
			return s.failed(err)
		}
	}
	if s.json {
		return s.print(map[string]int{"replaced": replaced})
	}
	fmt.Fprintf(s.Stdout, "%d workers have been replaced.\n", replaced)
	return exitOK
}

// doScale changes the number of workers.
func doScale(s *session, args []string) int {
	n, err := strconv.Atoi(args[0])
	relative := strings.HasPrefix(args[0], "+") || strings.HasPrefix(args[0], "-")
	if err != nil || n == 0 || n < -1000 || n > 1000 {
		return s.failed(fmt.Errorf("%q is no number of workers: say how many there are to be, or +1, or -1", args[0]))
	}
	d, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	by := n
	if !relative {
		by = n - d.Wanted
	}
	command := ""
	switch {
	case by > 0:
		command = fmt.Sprintf("worker add %d", by)
	case by < 0:
		command = fmt.Sprintf("worker remove %d", -by)
	}
	if command != "" {
		if err := s.do(command, nil); err != nil {
			return s.failed(err)
		}
	}
	after := d
	if !s.noWait {
		err = s.await(func(now *insight.Document) (bool, string) {
			after = *now
			return ready(now, 0) >= now.Wanted, fmt.Sprintf("%d of %d workers are ready", ready(now, 0), now.Wanted)
		})
		if err != nil {
			return s.failed(err)
		}
	}
	if s.json {
		return s.print(map[string]int{"before": d.Wanted, "workers": after.Wanted})
	}
	fmt.Fprintf(s.Stdout, "%d workers, before %d.\n", after.Wanted, d.Wanted)
	return exitOK
}

// doStop stops the server and waits until it has gone.
func doStop(s *session, args []string) int {
	mode := "graceful"
	if len(args) == 1 {
		if args[0] != "--quick" {
			return s.failed(errors.New("say stop, or stop --quick"))
		}
		mode = "quick"
	}
	d, silent := s.look() // a server that is stopping already tells nothing, and takes this command all the same
	if err := s.do("shutdown "+mode, nil); err != nil {
		return s.failed(cmp.Or(silent, err))
	}
	if s.noWait {
		return exitOK
	}
	name := "the server"
	if d.PID != 0 {
		name += fmt.Sprintf(" with the pid %d", d.PID)
	}
	if err := s.awaitEnd(name + " finishes its requests"); err != nil {
		return s.failed(err)
	}
	if s.json {
		return s.print(map[string]int{"stopped": d.PID})
	}
	fmt.Fprintf(s.Stdout, "Stopped: %s.\n", name)
	return exitOK
}

// awaitEnd waits until nobody answers at the socket any more.
func (s *session) awaitEnd(progress string) error {
	line := progressLine{out: s.Stderr}
	defer line.wipe()
	line.show(progress)
	for end := time.Now().Add(s.timeout); time.Now().Before(end); time.Sleep(lookEvery) {
		c, err := control.Dial(s.path, probeTimeout)
		if err != nil {
			return nil
		}
		c.Close()
	}
	return errPatience
}

// doUpgrade starts a second master and, when it serves, ends the first.
func doUpgrade(s *session, _ []string) int {
	before, err := s.look()
	if err != nil {
		return s.failed(err)
	}
	if before.Successor != 0 {
		return s.failed(fmt.Errorf("an upgrade is under way: the second master has the pid %d", before.Successor))
	}
	if err := s.do("upgrade", nil); err != nil {
		return s.failed(err)
	}
	if s.noWait {
		return exitOK
	}
	began := float64(before.Time.UnixMicro()) / 1e6
	second, trouble := 0, ""
	err = s.await(func(d *insight.Document) (bool, string) {
		if d.Successor == 0 {
			trouble = "the second master did not come up, and the first goes on; the error log says more:\n\n" + troubled(d, began)
			return true, ""
		}
		second = d.Successor
		return s.servesAt(s.path+".2", second), fmt.Sprintf("the second master, pid %d, loads the application", second)
	})
	if trouble != "" {
		err = errors.New(trouble)
	}
	if err != nil {
		return s.failed(err)
	}
	if err := s.do("shutdown graceful", nil); err != nil {
		return s.failed(err)
	}
	line := progressLine{out: s.Stderr}
	line.show(fmt.Sprintf("pid %d finishes its requests", before.PID))
	for end := time.Now().Add(s.timeout); !s.servesAt(s.path, second); time.Sleep(lookEvery) {
		if time.Now().After(end) {
			line.wipe()
			return s.failed(errPatience)
		}
	}
	line.wipe()
	if s.json {
		return s.print(map[string]int{"before": before.PID, "pid": second})
	}
	fmt.Fprintf(s.Stdout, "The master with the pid %d has taken over from %d.\n", second, before.PID)
	return exitOK
}

// servesAt reports whether the master with that pid answers at a socket; it does when it serves.
func (s *session) servesAt(path string, pid int) bool {
	c, err := control.Dial(path, probeTimeout)
	if err != nil {
		return false
	}
	defer c.Close()
	d, err := (&session{client: c}).look()
	return err == nil && d.PID == pid
}

// troubled is the last errors since a time of day.
func troubled(d *insight.Document, since float64) string {
	var texts []string
	for _, e := range d.Events {
		if e.Kind == history.KindError && e.Time >= since {
			texts = append(texts, e.Text)
		}
	}
	return strings.Join(texts, "\n")
}

func doReopen(s *session, _ []string) int { return s.relay("reopen") }

func actOnCompanion(s *session, args []string) int {
	return s.relay("companion " + strings.Join(args, " "))
}
