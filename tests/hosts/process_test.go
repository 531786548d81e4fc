package hosts

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// budget bounds waits for what a test has caused. It is long, because a dozen interpreters may be starting on two processors.
const budget = 60 * time.Second

// A process runs in a network namespace; what it prints goes to a file, whose end is shown when the test fails.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// start runs a program in the network of a machine. It is killed when the test ends.
func (l *lan) start(name string, as *syscall.Credential, machine string, env []string, argv ...string) *process {
	l.tb.Helper()
	script := `exec "$@"`
	attr := &syscall.SysProcAttr{Setpgid: true}
	if h := l.host(machine); h != nil {
		// A host is more than its network: processes, files and a name.
		attr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
		script = `mount -t proc proc /proc && mount --bind ` + h.dir + ` /srv/shop && hostname ` + h.name + ` && cd /srv/shop && exec "$@"`
	}
	if as != nil { // ip must be root, the program must not
		script = `cd / && exec setpriv --reuid=` + itoa(as.Uid) + ` --regid=` + itoa(as.Gid) + ` --clear-groups "$@"`
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", machine, "sh", "-c", script, "sh"}, argv...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/run", "LANG=C.UTF-8"}, env...)
	cmd.Dir = "/run"
	cmd.SysProcAttr = attr
	log, err := os.CreateTemp("/run", name+"-*.log")
	if err != nil {
		l.tb.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.tb.Fatalf("start %s: %v", name, err)
	}
	p := &process{cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // the state is read from cmd
	}()
	l.tb.Cleanup(func() {
		p.kill()
		if l.tb.Failed() {
			lines := p.lines()
			l.tb.Logf("%s, the end of its log:\n%s", name, strings.Join(lines[max(0, len(lines)-400):], "\n"))
		}
	})
	return p
}

func (p *process) signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

// kill ends it, and with a process 1 its whole host.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// wait waits for the end and returns the exit code.
func (p *process) wait(tb testing.TB, d time.Duration) int {
	tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(d):
		tb.Fatalf("%s does not end within %v", p.cmd, d)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) lines() []string {
	text, _ := os.ReadFile(p.log)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// run runs a program to its end and returns what it prints.
func run(tb testing.TB, as *syscall.Credential, program string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(program, args...)
	if as != nil {
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// programs is where Debian keeps those of PostgreSQL that are not on PATH.
func programs(tb testing.TB) string {
	tb.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		tb.Fatal("no /usr/lib/postgresql/*/bin/postgres: install postgresql")
	}
	return filepath.Dir(slices.Max(found))
}

func waitOpen(tb testing.TB, addr string) {
	tb.Helper()
	harness.Eventually(tb, budget, addr+" is open", func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

func readLines(r io.Reader) []string {
	var lines []string
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
