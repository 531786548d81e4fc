package companion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	maxNotice = 4096            // bytes of a message to NOTIFY_SOCKET
	tryTime   = 5 * time.Second // for one try of a check
)

// inbox is where a process says that it is ready (sd_notify).
type inbox struct {
	name string // as the variable has it
	conn *net.UnixConn
}

// newInbox opens one in the abstract name space, which needs no folder that the program's user may write. Its name cannot be guessed.
func newInbox() (*inbox, error) {
	name := "@gounicorn-" + mark()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("ready: notify: %w", err)
	}
	return &inbox{name, conn}, nil
}

func (i *inbox) close() {
	if i != nil {
		_ = i.conn.Close()
	}
}

// await returns when READY=1 has come.
func (i *inbox) await(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = i.conn.SetReadDeadline(time.Now()) })()
	buf := make([]byte, maxNotice)
	for {
		n, err := i.conn.Read(buf)
		if err != nil {
			return errors.New("it did not send READY=1 to NOTIFY_SOCKET")
		}
		for line := range bytes.Lines(buf[:n]) {
			if string(bytes.TrimSpace(line)) == "READY=1" {
				return nil
			}
		}
	}
}

// check waits until a program is ready: nil. The error is the last reason why it is not, when the time is over or ctx has ended.
func (m *Manager) check(ctx context.Context, p *Program, env []string, in *inbox) error {
	if p.Ready.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Ready.Timeout)
		defer cancel()
	}
	if in != nil {
		defer in.close()
		return in.await(ctx)
	}
	again := time.NewTicker(p.Ready.Every)
	defer again.Stop()
	for {
		err := m.try(ctx, p, p.Ready, env, tryTime)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// watchOver makes the check of a program's health again and again until ctx ends. It sends how often it has failed in a row, and why, and
// ends when that is too often.
func (m *Manager) watchOver(ctx context.Context, p *Program, env []string, to chan<- ailment) {
	again := time.NewTicker(p.Health.Every)
	defer again.Stop()
	for failures := 0; failures < p.Health.Failures; {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		before, err := failures, m.try(ctx, p, &p.Health.Check, env, p.Health.Timeout)
		if failures++; err == nil {
			failures = 0
		}
		if failures == before {
			continue
		}
		select {
		case to <- ailment{failures, err}:
		case <-ctx.Done():
			return
		}
	}
}

// ailment is a check of a program's health that went otherwise than the one before.
type ailment struct {
	failures int // in a row; 0: it is well again
	err      error
}

// try makes one check, within a time.
func (m *Manager) try(ctx context.Context, p *Program, c *Check, env []string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	network, address := "tcp", c.TCP
	switch {
	case c.Command != nil:
		q := *p
		q.Args, q.Env = c.Command, env
		return m.runOnce(ctx, &q, func(int, []byte) {})
	case c.HTTP != "":
		if m.cfg.HTTP == nil {
			return errors.New("there is nobody who could ask by HTTP")
		}
		return m.cfg.HTTP(ctx, c.HTTP)
	case c.Unix != "":
		if network, address = "unix", c.Unix; !filepath.IsAbs(address) {
			address = filepath.Join(p.Directory, address)
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// lockedBy is for the note of a singleton that waits.
var errLocked = errors.New("waits for its lock, which another server holds")

// takeLock takes the lock of a singleton.
func (pr *process) takeLock() error {
	if pr.spec.Lock == "" || pr.lock != nil {
		return nil
	}
	f, err := os.OpenFile(pr.spec.Lock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("waits for its lock: %w", err)
	}
	if !lockFile(f) {
		_ = f.Close()
		return errLocked
	}
	pr.lock = f
	return nil
}

// unlock lets another server run it.
func (pr *process) unlock() {
	if pr.lock != nil {
		_ = pr.lock.Close()
		pr.lock = nil
	}
}
