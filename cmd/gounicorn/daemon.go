package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Going into the background. A Go program cannot fork, so it is started twice more: the first process starts a second one in a session
// of its own, which starts the third and leaves, so that the third leads no session and can get no terminal. Unlike gunicorn's, the
// first process waits until the third serves or has failed, and ends with its exit code.
const (
	daemonVariable = "GOUNICORN_DAEMON" // STAGE:DESCRIPTOR (2 and 3 in the background, 4 a second master), and :q when standard error is a pipe to the first process
	daemonUmask    = 0o022              // as gunicorn's
	maxComplaint   = 64 << 10           // bytes of what the third process writes to standard error before it serves; the rest is cut
)

// daemon is the third process's way to the first one. The zero daemon has none.
type daemon struct {
	second bool     // this is the second process
	quiet  bool     // standard error is a pipe to the first process
	status *os.File // gets one byte, the exit code, when the start has succeeded or failed
}

// takeDaemon reads the variable of a first or second process. nil: there is none.
func takeDaemon(env func(string) (string, bool)) *daemon {
	text, ok := env(daemonVariable)
	if !ok {
		return nil
	}
	_ = os.Unsetenv(daemonVariable)
	stage, number, _ := strings.Cut(text, ":")
	number, quiet := strings.CutSuffix(number, ":q")
	fd, err := strconv.Atoi(number)
	var st unix.Stat_t
	if err != nil || fd <= 2 || (stage != "2" && stage != "3" && stage != "4") || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil // not from us
	}
	d := &daemon{second: stage == "2", quiet: quiet, status: os.NewFile(uintptr(fd), "status")}
	if !d.second {
		unix.CloseOnExec(fd)
		if stage == "3" {
			unix.Umask(daemonUmask)
		}
	}
	return d
}

// background starts the server in the background and waits until it serves; the result is the exit code. With inherit it keeps our
// output, unless that is a terminal. What it says on standard error before it has failed goes to complaints.
func (p *process) background(inherit bool, complaints io.Writer) (code int, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return exitError, fmt.Errorf("start in the background: %w", err)
	}
	defer null.Close()
	var status, said [2]int
	if err := errors.Join(unix.Pipe2(status[:], unix.O_CLOEXEC), unix.Pipe2(said[:], unix.O_CLOEXEC)); err != nil {
		return exitError, fmt.Errorf("start in the background: %w", err)
	}
	statusR, saidR := os.NewFile(uintptr(status[0]), "status"), os.NewFile(uintptr(said[0]), "complaints")
	defer statusR.Close()
	defer saidR.Close()
	files, suffix := []uintptr{null.Fd(), null.Fd(), uintptr(said[1])}, ":q"
	if inherit && !isTerminal(1) {
		files[1] = 1
	}
	if inherit && !isTerminal(2) {
		files[2], suffix = 2, ""
	}
	// The descriptor keeps its number, so that it takes no place where a socket of fd://N may be.
	_, err = unix.FcntlInt(uintptr(status[1]), unix.F_SETFD, 0)
	pid := 0
	if err == nil {
		pid, err = syscall.ForkExec(p.exe, p.args, &syscall.ProcAttr{
			Dir: p.dir, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
			Env: p.environment([]string{daemonVariable}, fmt.Sprintf("%s=2:%d%s", daemonVariable, status[1], suffix)),
		})
	}
	_ = unix.Close(status[1])
	_ = unix.Close(said[1])
	if err != nil {
		return exitError, fmt.Errorf("start %s in the background: %w", p.exe, err)
	}
	var second unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &second, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	code, complaint := await(statusR, saidR)
	switch {
	case code == exitOK:
		return exitOK, nil
	case len(complaint) > 0:
		_, _ = complaints.Write(complaint)
		return code, nil
	}
	return code, fmt.Errorf("the server did not start (exit code %d); its error log says why", code)
}

// await waits until a process that we started serves or has failed; the result is its exit code, and what it said before it failed.
func await(status, said io.Reader) (code int, complaint []byte) {
	text := make(chan []byte, 1)
	go func() { text <- readFirst(said, maxComplaint) }()
	verdict, _ := io.ReadAll(io.LimitReader(status, 1))
	switch {
	case len(verdict) == 0:
		code = exitError
	case verdict[0] == exitOK:
		return exitOK, nil
	default:
		code = int(verdict[0])
	}
	return code, <-text
}

// third starts the third process from the second.
func (p *process) third() int {
	suffix := ""
	if p.daemon.quiet {
		suffix = ":q"
	}
	_, err := syscall.ForkExec(p.exe, p.args, &syscall.ProcAttr{
		Dir: p.dir, Files: []uintptr{0, 1, 2},
		Env: p.environment([]string{daemonVariable}, fmt.Sprintf("%s=3:%d%s", daemonVariable, p.daemon.status.Fd(), suffix)),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nError: start %s in the background: %v\n", p.exe, err)
		return exitError
	}
	return exitOK
}

// done tells the first process how the start went, the first time that it is called. After a success standard error, if it was there
// for the first process, goes nowhere.
func (d *daemon) done(code int) {
	if d == nil || d.status == nil {
		return
	}
	_, _ = d.status.Write([]byte{byte(code)}) // nobody listens when the first process was killed
	_ = d.status.Close()
	d.status = nil
	if code == exitOK && d.quiet {
		if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
			_ = unix.Dup3(int(null.Fd()), 2, 0)
			_ = null.Close()
		}
	}
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// readFirst reads to the end and returns no more than the first so many bytes.
func readFirst(r io.Reader, most int64) []byte {
	var b bytes.Buffer
	_, _ = io.Copy(&b, io.LimitReader(r, most))
	_, _ = io.Copy(io.Discard, r)
	return b.Bytes()
}
