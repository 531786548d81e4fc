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
		err := m.try(ctx, p, env)
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

// try makes one check.
func (m *Manager) try(ctx context.Context, p *Program, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	network, address := "tcp", p.Ready.TCP
	switch {
	case p.Ready.Command != nil:
		q := *p
		q.Args, q.Env = p.Ready.Command, env
		return m.runOnce(ctx, &q, func(int, []byte) {})
	case p.Ready.HTTP != "":
		if m.cfg.HTTP == nil {
			return errors.New("there is nobody who could ask by HTTP")
		}
		return m.cfg.HTTP(ctx, p.Ready.HTTP)
	case p.Ready.Unix != "":
		if network, address = "unix", p.Ready.Unix; !filepath.IsAbs(address) {
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
