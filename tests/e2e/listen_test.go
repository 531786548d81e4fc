package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

func TestServerListensOnManyAddressesAtOnce(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	s := harness.Start(t, harness.Config{
		App:  "echo:app",
		Bind: []string{"127.0.0.1:0", "[::1]:0", "unix:" + socket, "localhost:0"},
	})
	if len(s.Addrs) != 4 {
		t.Fatalf("the log names %q", s.Addrs)
	}
	for _, addr := range s.Addrs {
		network, address := "unix", strings.TrimPrefix(addr, "unix:")
		if rest, ok := strings.CutPrefix(addr, "http://"); ok {
			network, address = "tcp", rest
		}
		conn := harness.Dial(t, network, address)
		conn.Send("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
		response := conn.MustRead("GET")
		if response.Status != http.StatusOK {
			t.Errorf("%s: got status %d", addr, response.Status)
			continue
		}
		environ := harness.ParseEcho(t, response.Body).Environ
		if network == "tcp" {
			host, port, _ := net.SplitHostPort(address)
			if environ["SERVER_NAME"].Value != host || environ["SERVER_PORT"].Value != port {
				t.Errorf("%s: the application sees %v %v", addr, environ["SERVER_NAME"].Value, environ["SERVER_PORT"].Value)
			}
			if environ["REMOTE_ADDR"].Value != host {
				t.Errorf("%s: REMOTE_ADDR is %v", addr, environ["REMOTE_ADDR"].Value)
			}
			continue
		}
		// On a unix socket the name comes from Host, and there is no peer address.
		if environ["SERVER_NAME"].Value != "example.org" || environ["SERVER_PORT"].Value != "80" || environ["REMOTE_ADDR"].Value != "" {
			t.Errorf("%s: the application sees %v %v %v", addr, environ["SERVER_NAME"].Value, environ["SERVER_PORT"].Value, environ["REMOTE_ADDR"].Value)
		}
		if port, ok := environ["REMOTE_PORT"]; ok {
			t.Errorf("%s: REMOTE_PORT is %v, want it absent", addr, port)
		}
	}
}

func TestUnixSocketIsRemovedAtTheEnd(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	s := harness.Start(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + socket}})
	if s.Stop(syscall.SIGTERM) != 0 {
		t.Error("the stop failed")
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestStaleUnixSocketIsReplaced(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	harness.Start(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + socket}})
	conn := harness.Dial(t, "unix", socket)
	conn.Get("/")
	if response := conn.MustRead("GET"); response.Status != 200 {
		t.Errorf("got %d", response.Status)
	}
}

func TestLiveUnixSocketIsRefused(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	harness.Start(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + socket}})
	second := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + socket}, Exit: 1})
	if code := second.Wait(bootLimit); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	harness.Eventually(t, harness.EventBudget, "the log is complete", second.Log.Ended)
	if !strings.Contains(second.Log.String(), socket) {
		t.Error("the log does not name the socket")
	}
	conn := harness.Dial(t, "unix", socket)
	conn.Get("/")
	if response := conn.MustRead("GET"); response.Status != 200 {
		t.Errorf("the first server answers %d", response.Status)
	}
}

func TestOrdinaryFileInPlaceOfTheUnixSocketIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "precious")
	writeFile(t, path, "data")
	s := harness.Launch(t, harness.Config{App: "hello:app", Bind: []string{"unix:" + path}, Exit: 1})
	if code := s.Wait(bootLimit); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if text, err := os.ReadFile(path); string(text) != "data" {
		t.Errorf("the file now holds %q, %v", text, err)
	}
}

func TestInheritedDescriptorIsServed(t *testing.T) {
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
	s := harness.Start(t, harness.Config{App: "echo:app", Bind: []string{"fd://3"}, ExtraFiles: []*os.File{file}})
	conn := harness.Dial(t, "tcp", listener.Addr().String())
	conn.Get("/inherited")
	echo := harness.ParseEcho(t, conn.MustRead("GET").Body)
	if port := echo.Environ["SERVER_PORT"].Value; !strings.HasSuffix(listener.Addr().String(), ":"+port.(string)) {
		t.Errorf("SERVER_PORT is %v on %v", port, listener.Addr())
	}
	if s.Stop(syscall.SIGTERM) != 0 {
		t.Error("the stop failed")
	}
}

// Row 72: neither listeners nor the client's connection reach the workers.
func TestWorkersInheritNoListenerAndNoClient(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app", "-w", "2", "--metrics-bind", "127.0.0.1:0")
	conn := s.Dial()
	conn.Get("/gate/look")
	s.WaitMark(t, "entered-look", 1)
	master := harness.Descriptors(t, s.PID)
	owned := map[string]bool{}
	for _, inode := range harness.TCPSockets(t) {
		owned[inode] = true
	}
	for _, pid := range s.Processes() {
		if pid == s.PID {
			continue
		}
		for fd, target := range harness.Descriptors(t, pid) {
			if owned[target] {
				t.Errorf("process %d holds TCP socket %s as descriptor %d", pid, target, fd)
			}
		}
	}
	if len(master) == 0 {
		t.Error("the master has no descriptors")
	}
	s.Open(t, "open-look")
	conn.MustRead("GET")
}

// Row 21: a client that has finished sending still gets its answer.
func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, "faults:app")
	conn := s.Dial()
	conn.Get("/gate/half")
	conn.CloseWrite()
	s.WaitMark(t, "entered-half", 1)
	s.Open(t, "open-half")
	if response := conn.MustRead("GET"); response.Status != 200 {
		t.Errorf("got %d", response.Status)
	}
}

// Row 21: a request whose client left while it waited never reaches a worker.
func TestRequestOfAClientThatLeftTheQueueIsNeverRun(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "1", "--max-workers", "1")
	blocker := s.Go("/gate/blocker")
	s.WaitMark(t, "entered-blocker", 1)
	// More than the small window that the workers' socket may hold.
	const count = 40
	var conns []*harness.Conn
	for range count {
		conn := s.Dial()
		conn.Get("/started/left")
		conns = append(conns, conn)
	}
	harness.Eventually(t, harness.EventBudget, "the requests have been read", func() bool { return unread(t, s) == 0 })
	for _, conn := range conns {
		conn.Reset()
	}
	harness.Eventually(t, harness.EventBudget, "the connections are gone", func() bool {
		return harness.Established(t, s.Addr()) <= 1
	})
	s.Open(t, "open-blocker")
	if reply := <-blocker; reply.Status != 200 {
		t.Errorf("the blocker got %d %v", reply.Status, reply.Err)
	}
	s.WantGet(t, "/", 200)
	if ran := len(s.Marks("started")); ran > 0 {
		t.Errorf("%d of %d requests were run after their client had left", ran, count)
	}
}

func TestSlowBootDelaysReadinessNotListening(t *testing.T) {
	t.Parallel()
	s := harness.Launch(t, harness.Config{App: "slow_boot:app"})
	s.WaitListening()
	s.WaitMark(t, "entered-boot", 1)
	early := s.Go("/")
	if lines := s.Log.Grep("Ready: "); len(lines) > 0 {
		t.Errorf("ready before the application was loaded: %q", lines)
	}
	s.Open(t, "open-boot")
	s.WaitReady()
	select {
	case reply := <-early:
		if reply.Status != 200 {
			t.Errorf("the request that came during the boot got %d %v", reply.Status, reply.Err)
		}
	case <-time.After(harness.EventBudget):
		t.Error("the request that came during the boot is not answered")
	}
}
