package faults

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/oracle"
)

// Row 61: the master is killed at full load, again and again. Its processes leave, and port, unix socket, pid file and control socket that it
// left behind are no obstacle to the next one.
func TestMasterIsKilledAtFullLoad(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "kill") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port := harness.FreePort(t)
	launch := func(exit int) *harness.Server {
		return harness.Start(t, harness.Config{
			App: "canary:app", Bind: []string{port, "unix:" + filepath.Join(dir, "s")}, Exit: exit,
			Args: []string{"-w", "2", "--threads", "2", "--graceful-timeout", "1", "-p", filepath.Join(dir, "pid"), "--control-socket", filepath.Join(dir, "ctl")},
		})
	}
	for range rounds(2, 50) {
		s := launch(-int(syscall.SIGKILL))
		load := oracle.Begin(t, s, oracle.Options{Kept: 4, New: 2, Pause: time.Millisecond})
		load.Await(t, 50)
		held := s.Go("/gate/held") // a request that would run on
		s.WaitMark(t, "entered-held", 1)
		if code := s.Stop(syscall.SIGKILL); code != -int(syscall.SIGKILL) {
			t.Errorf("exit code %d", code)
		}
		s.WantNoOrphans(2*time.Second + harness.EventBudget)
		if reply := <-held; reply.Err == nil {
			t.Errorf("the client of a killed server got %d", reply.Status)
		}
		// What ran is lost with the master, one request for each client at most; nothing is mixed up or started twice.
		tally := load.Stop()
		if tally.MixUps+tally.Duplicates+tally.Strange > 0 || tally.Lost+tally.Cut > 6 {
			t.Errorf("the load: %v", tally)
		}
	}
	s := launch(0)
	s.WantGet(t, "/pid", 200)
}

// Row 62: the Go runtime of the master dies (SIGABRT does what a fatal error does). The service manager holds the socket: connections wait
// there, and the next master answers them.
func TestSocketOutlivesAFatalErrorOfTheMaster(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dir := t.TempDir()
	config := harness.Config{
		App: "canary:app", Args: []string{"-w", "2", "--graceful-timeout", "2"}, ExtraFiles: []*os.File{file}, Exit: 2,
		Env:    []string{"GOUNICORN_TEST_DIR=" + dir}, // of both
		Binary: script(t, "export LISTEN_PID=$$ LISTEN_FDS=1\nexec GOUNICORN"),
	}
	first := harness.Start(t, config)
	load := oracle.Begin(t, first, oracle.Options{Dir: dir})
	load.Await(t, 20)
	if code := first.Stop(syscall.SIGABRT); code != 2 {
		t.Errorf("exit code %d", code)
	}
	first.Log.Wait(t, 0, "goroutine ", harness.EventBudget) // what the developers need
	first.WantNoOrphans(2*time.Second + harness.EventBudget)
	waiting := harness.Dial(t, "tcp", listener.Addr().String())
	waiting.Get("/pid")
	config.Exit = 0
	harness.Start(t, config)
	if got := waiting.MustRead("GET"); got.Status != 200 {
		t.Errorf("the connection that waited got %d", got.Status)
	}
	load.Await(t, 20)
	// Of the three clients each had one request inside at most.
	if tally := load.Stop(); tally.MixUps+tally.Duplicates+tally.Strange+tally.Shed > 0 || tally.Failed() > 3 {
		t.Errorf("the load: %v", tally)
	}
}

// Row 63: a thousand HUPs in a second are one or two reloads, no request is lost, and at no moment are there more than two generations.
func TestStormOfHups(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "2")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 20)
	before := oracle.Of(t, s)
	generations := 0
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for n := range 1000 {
		s.Signal(syscall.SIGHUP)
		if n%50 == 0 {
			generations = max(generations, len(harness.Children(s.PID)))
		}
		<-pace.C
	}
	// The last one counts: a generation that began before it is followed by another.
	harness.Eventually(t, 2*harness.EventBudget, "the storm is over", func() bool {
		return len(s.Workers()) == 2 && len(s.Processes()) == before.Processes
	})
	if generations < 2 || generations > 3 { // the one that leaves may still be there when the next begins
		t.Errorf("%d generations at once", generations)
	}
	load.Await(t, 20)
	wantAll(t, load)
	oracle.WantNoLeak(t, s, before)
}

// Row 63: TERM ends a server that reloads, at any moment, and what runs is answered.
func TestTermDuringAReload(t *testing.T) {
	t.Parallel()
	for n := range rounds(4, 30) {
		s := start(t, "-w", "2", "--graceful-timeout", "10")
		held := s.Go("/sleep/0.5")
		s.WaitMark(t, "sleeping", 1)
		s.Signal(syscall.SIGHUP)
		pause(time.Duration(n) * 40 * time.Millisecond) // before, while and after the new workers boot
		for range 3 {
			s.Signal(syscall.SIGHUP)
		}
		if code := s.Stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if reply := <-held; reply.Status != 200 {
			t.Errorf("what ran got %d, error %v", reply.Status, reply.Err)
		}
		s.WantNoOrphans(harness.EventBudget)
	}
}

// Row 63: however often USR2 comes, there is one new master, and its end leaves the old one as it was.
func TestStormOfUpgrades(t *testing.T) {
	t.Parallel()
	s := start(t, "-w", "1")
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 10)
	before := oracle.Of(t, s)
	masters := func() (all []int) {
		for _, pid := range harness.Children(s.PID) {
			if name, err := os.ReadFile("/proc/" + itoa(pid) + "/comm"); err == nil && string(name) == "gounicorn\n" {
				all = append(all, pid)
			}
		}
		return all
	}
	from := s.Log.Len()
	for range 20 {
		s.Signal(syscall.SIGUSR2)
	}
	s.Log.Wait(t, from, "Ready: 1 workers", harness.StartBudget)
	s.Signal(syscall.SIGUSR2) // those above may have been one: signals do not queue
	s.Log.Wait(t, from, "USR2 signal ignored. Child exists.", harness.EventBudget)
	next := masters()
	if len(next) != 1 {
		t.Fatalf("the new masters are %v", next)
	}
	if err := syscall.Kill(next[0], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.EventBudget, "the new master leaves", func() bool { return !slices.Contains(harness.Children(s.PID), next[0]) })
	load.Await(t, 10)
	wantAll(t, load)
	oracle.WantNoLeak(t, s, before)
}

// Row 63: a master that replaced another one is replaced in its turn, and the third is heard as the first was.
func TestUpgradeOfAnUpgrade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	s := start(t, "-w", "1", "-p", file)
	load := oracle.Begin(t, s, oracle.Options{})
	load.Await(t, 10)
	master := s.PID
	for range 2 {
		from := s.Log.Len()
		if err := syscall.Kill(master, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.Log.Wait(t, from, "Ready: 1 workers", harness.StartBudget)
		text, err := os.ReadFile(file + ".2")
		if err != nil {
			t.Fatal(err)
		}
		next, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(master, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.Log.Wait(t, from, "Master has been promoted.", harness.EventBudget)
		harness.Eventually(t, harness.EventBudget, "the old master leaves", func() bool { return !harness.Alive(master) })
		master = next
	}
	load.Await(t, 10)
	wantAll(t, load)
	if err := syscall.Kill(master, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.WantNoOrphans(harness.StopBudget)
}
