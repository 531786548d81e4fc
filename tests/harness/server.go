package harness

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Budgets: generous, since they bound failures and never a passing run.
const (
	// StartBudget bounds the time from exec until every worker has loaded the application.
	StartBudget = 30 * time.Second
	// StopBudget bounds the time from the signal to the exit of the master.
	StopBudget = 20 * time.Second
	// EventBudget bounds the wait for one event that a test has caused.
	EventBudget = 15 * time.Second

	// reapBudget is how long a descendant may outlive the master before it counts as an orphan.
	reapBudget = 3 * time.Second
)

// A Kind is a server program.
type Kind string

// The servers that the harness can start: ours, and the peers that expectations are compared with.
const (
	Gounicorn Kind = "gounicorn"
	Gunicorn  Kind = "gunicorn"
	Waitress  Kind = "waitress"
)

// A Config says how to start a server. The zero value of each field is useful.
type Config struct {
	App        string   // module:callable
	Args       []string // flags, before the app
	Bind       []string // values of -b; nil is one free port on 127.0.0.1
	Env        []string // added to a small clean environment
	Dir        string   // working directory; empty is the directory of the test applications
	ExtraFiles []*os.File
	Binary     string      // the master binary; empty is Binary
	NoPython   bool        // do not name the interpreter with --python
	Exit       int         // the exit code expected at the end
	TLS        *tls.Config // of the clients; nil: they speak plain HTTP
	Namespaces uintptr     // of its own, as flags of clone(2): in a new one of processes it is process 1, and the pids of the log are not ours
	Kind       Kind        // empty is Gounicorn, or what GOUNICORN_TEST_SERVER says
}

// A Server is one running server and what it leaves behind. Its methods are safe for concurrent use except Stop.
type Server struct {
	PID     int
	Log     *Log   // what the server wrote to stderr
	Out     *Log   // what the server wrote to stdout
	Dir     string // where applications leave their marks (GOUNICORN_TEST_DIR)
	Addrs   []string
	Python  string
	cfg     Config
	tb      testing.TB
	id      string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the master has been reaped
	stopped bool
	client  *http.Client
	waits   sync.WaitGroup
}

// Start runs a server, waits until it is ready and stops it when the test ends. Whatever it leaves fails the test.
func Start(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	s := Launch(tb, cfg)
	s.WaitReady()
	return s
}

// Launch is Start without the wait: for servers that are not expected to come up, or not at once.
func Launch(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	if cfg.Kind == "" {
		cfg.Kind = Gounicorn
		if kind := os.Getenv("GOUNICORN_TEST_SERVER"); kind != "" {
			cfg.Kind = Kind(kind)
		}
	}
	if cfg.Bind == nil {
		cfg.Bind = []string{"127.0.0.1:0"}
	}
	if cfg.Dir == "" {
		cfg.Dir = Apps(tb)
	}
	s := &Server{
		Log: newLog(), Out: newLog(), Dir: tb.TempDir(), Python: Python(tb),
		cfg: cfg, tb: tb, id: rand.Text(), exited: make(chan struct{}),
		client: &http.Client{
			Timeout: 60 * time.Second,
			// Without keep-alive the transport never repeats a request by itself, which would hide losses.
			Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: cfg.TLS},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.cmd = s.command()
	s.start()
	tb.Cleanup(s.cleanup)
	return s
}

func (s *Server) command() *exec.Cmd {
	s.tb.Helper()
	var args []string
	path := s.cfg.Binary
	switch s.cfg.Kind {
	case Waitress:
		path, args = s.Python, []string{"-m", "waitress", "--listen", s.cfg.Bind[0]}
	case Gunicorn:
		path = filepath.Join(Venv(s.tb), "bin", "gunicorn")
		if !slices.Contains(s.cfg.Args, "--control-socket") {
			args = append(args, "--no-control-socket")
		}
		// A worker of gunicorn that is told to stop between its fork and its own signal handlers does not hear it,
		// and the arbiter then waits for the whole of this: it has to fit into StopBudget.
		args = append(args, "--graceful-timeout", "5")
	default:
		if path == "" {
			path = Binary(s.tb)
		}
		if !s.cfg.NoPython {
			args = append(args, "--python", s.Python)
		}
	}
	if s.cfg.Kind != Waitress {
		for _, bind := range s.cfg.Bind {
			args = append(args, "-b", bind)
		}
	}
	args = append(args, s.cfg.Args...)
	if s.cfg.App != "" {
		args = append(args, s.cfg.App)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.cfg.Dir
	cmd.ExtraFiles = s.cfg.ExtraFiles
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "LANG=C.UTF-8", "PWD=" + s.cfg.Dir,
		"PYTHONDONTWRITEBYTECODE=1",
		"GOUNICORN_TEST_DIR=" + s.Dir, markerName + "=" + s.id,
	}, s.cfg.Env...)
	if worker := os.Getenv("GOUNICORN_WORKER"); worker != "" {
		cmd.Env = append(cmd.Env, "GOUNICORN_WORKER="+worker)
	}
	// A process group of its own keeps the Ctrl-C of the person testing away; a test binary that dies takes its
	// servers with it all the same.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM, Cloneflags: s.cfg.Namespaces}
	return cmd
}

func (s *Server) start() {
	s.tb.Helper()
	var writers []*os.File
	for _, log := range []*Log{s.Log, s.Out} {
		r, w, err := os.Pipe()
		if err != nil {
			s.tb.Fatalf("pipe: %v", err)
		}
		writers = append(writers, w)
		s.waits.Go(func() { log.collect(r) })
	}
	s.cmd.Stderr, s.cmd.Stdout = writers[0], writers[1]
	started := make(chan error, 1)
	go func() {
		defer close(s.exited)
		runtime.LockOSThread() // Pdeathsig means the death of this thread
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // the code is read from ProcessState
		}
	}()
	err := <-started
	for _, w := range writers {
		w.Close()
	}
	if err != nil {
		s.tb.Fatalf("start %s: %v", s.cmd.Path, err)
	}
	s.PID = s.cmd.Process.Pid
}

var listening = regexp.MustCompile(`(?:Listening at:|Serving on) (\S+)`)

// WaitListening waits until the log names the addresses.
func (s *Server) WaitListening() {
	s.tb.Helper()
	marker := "Listening at: "
	if s.cfg.Kind == Waitress {
		marker = "Serving on "
	}
	line, ok := s.Log.wait(0, marker, StartBudget)
	if !ok {
		s.tb.Fatalf("the server does not listen:\n%s", s.Log)
	}
	found := listening.FindStringSubmatch(line)
	if found == nil {
		s.tb.Fatalf("no address in %q", line)
	}
	s.Addrs = strings.Split(found[1], ",")
}

// WaitReady waits until every worker has loaded the application.
func (s *Server) WaitReady() {
	s.tb.Helper()
	s.WaitListening()
	marker := map[Kind]string{Gounicorn: "Ready: ", Gunicorn: "Booting worker with pid: ", Waitress: "Serving on "}
	if _, ok := s.Log.wait(0, marker[s.cfg.Kind], StartBudget); !ok {
		s.tb.Fatalf("the server does not become ready:\n%s", s.Log)
	}
}

// Kind is the program that runs.
func (s *Server) Kind() Kind { return s.cfg.Kind }

// Addr is the first TCP address that the server listens on, as host:port.
func (s *Server) Addr() string {
	s.tb.Helper()
	for _, addr := range s.Addrs {
		if rest, ok := strings.CutPrefix(addr, s.scheme()); ok {
			return rest
		}
	}
	s.tb.Fatalf("no TCP address among %q", s.Addrs)
	return ""
}

// URL is the address of a path on the first TCP listener.
func (s *Server) URL(path string) string { return s.scheme() + s.Addr() + path }

func (s *Server) scheme() string {
	if s.cfg.TLS != nil {
		return "https://"
	}
	return "http://"
}

// Dial opens a raw connection to the first TCP listener.
func (s *Server) Dial() *Conn {
	s.tb.Helper()
	return Dial(s.tb, "tcp", s.Addr())
}

// DialFor is Dial for a subtest, which then owns the connection.
func (s *Server) DialFor(tb testing.TB) *Conn {
	tb.Helper()
	return Dial(tb, "tcp", s.Addr())
}

// A Reply is what an HTTP client got. Err is set if the response did not arrive whole.
type Reply struct {
	Status int
	Header http.Header
	Body   string
	Err    error
}

// Do sends one request on a connection of its own and reads the whole response. It may be used from goroutines.
func (s *Server) Do(request *http.Request) Reply {
	response, err := s.client.Do(request)
	if err != nil {
		return Reply{Err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Reply{Status: response.StatusCode, Header: response.Header, Body: string(body), Err: err}
}

// Request sends a request with a method and a body, and reads the response.
func (s *Server) Request(method, path, body string, headers ...string) Reply {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, s.URL("/"), reader)
	if err != nil {
		return Reply{Err: err}
	}
	target, query, _ := strings.Cut(path, "?")
	request.URL.Opaque = target
	request.URL.RawQuery = query
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
			continue
		}
		request.Header.Add(headers[i], headers[i+1])
	}
	return s.Do(request)
}

// Get fetches a path.
func (s *Server) Get(path string) Reply { return s.Request(http.MethodGet, path, "") }

// Go fetches a path in the background; the reply can be taken from the channel.
func (s *Server) Go(path string) <-chan Reply {
	reply := make(chan Reply, 1)
	go func() { reply <- s.Get(path) }()
	return reply
}

// WantGet fails the test unless the path answers with this status, and returns the reply.
func (s *Server) WantGet(tb testing.TB, path string, status int) Reply {
	tb.Helper()
	reply := s.Get(path)
	if reply.Err != nil || reply.Status != status {
		tb.Fatalf("GET %s: got status %d, error %v, want status %d; body %.300q", path, reply.Status, reply.Err, status, reply.Body)
	}
	return reply
}

// WantEcho fetches a path of echo.py and decodes the answer.
func (s *Server) WantEcho(tb testing.TB, reply Reply) Echo {
	tb.Helper()
	if reply.Err != nil || reply.Status != http.StatusOK {
		tb.Fatalf("echo: got status %d, error %v; body %.500q", reply.Status, reply.Err, reply.Body)
	}
	return ParseEcho(tb, []byte(reply.Body))
}

// Marked reports whether an application has left the mark.
func (s *Server) Marked(name string) bool {
	_, err := os.Stat(filepath.Join(s.Dir, name))
	return err == nil
}

// Marks returns the lines of a mark, one per call of the application.
func (s *Server) Marks(name string) []string {
	text, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// WaitMark waits until an application has left the mark n times.
func (s *Server) WaitMark(tb testing.TB, name string, n int) {
	tb.Helper()
	Eventually(tb, EventBudget, fmt.Sprintf("the application marks %q %d times", name, n), func() bool {
		return len(s.Marks(name)) >= n
	})
}

// Open lets applications through that wait for the mark.
func (s *Server) Open(tb testing.TB, name string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte("test\n"), 0o644); err != nil {
		tb.Fatalf("open %s: %v", name, err)
	}
}

var booting = regexp.MustCompile(`Booting worker with pid: (\d+)`)

// Booted returns the pids of all workers that the log has named so far, dead ones too.
func (s *Server) Booted() []int {
	var all []int
	for _, line := range s.Log.Lines() {
		if found := booting.FindStringSubmatch(line); found != nil {
			pid, _ := strconv.Atoi(found[1])
			all = append(all, pid)
		}
	}
	return all
}

// Workers returns the pids of the living workers.
func (s *Server) Workers() []int {
	return slices.DeleteFunc(s.Booted(), func(pid int) bool { return !Alive(pid) })
}

// Processes returns all living processes of the server, the master first.
func (s *Server) Processes() []int { return marked(s.id) }

// Signal sends a signal to the master.
func (s *Server) Signal(signal os.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Fatalf("signal the master: %v", err)
	}
}

// Wait waits for the end of the master and returns its exit code, or minus the number of the signal that ended it.
func (s *Server) Wait(d time.Duration) int {
	s.tb.Helper()
	select {
	case <-s.exited:
	case <-time.After(d):
		s.tb.Fatalf("the master still runs after %v", d)
	}
	s.stopped = true
	return exitCode(s.cmd.ProcessState)
}

// Exited is closed when the master has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Stop sends the signal and waits for the end of the master; it returns the exit code as Wait does.
func (s *Server) Stop(signal os.Signal) int {
	s.tb.Helper()
	s.Signal(signal)
	return s.Wait(StopBudget)
}

// WantNoOrphans fails the test if a process of the server outlives the master by more than d.
func (s *Server) WantNoOrphans(d time.Duration) {
	s.tb.Helper()
	if !Poll(d, func() bool { return len(marked(s.id)) == 0 }) {
		s.tb.Errorf("processes left behind:%s", describe(marked(s.id)))
	}
}

func exitCode(state *os.ProcessState) int {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return -int(status.Signal())
	}
	return state.ExitCode()
}

// cleanup stops what still runs and asserts that nothing is left.
func (s *Server) cleanup() {
	s.client.CloseIdleConnections()
	select {
	case <-s.exited:
	default:
		signal := syscall.SIGTERM
		if s.tb.Failed() {
			signal = syscall.SIGQUIT // what a failed test has left hanging need not be waited for
		}
		_ = s.cmd.Process.Signal(signal) // it may just have ended
		select {
		case <-s.exited:
		case <-time.After(StopBudget):
			s.tb.Errorf("the master does not stop within %v of TERM; its processes:%s", StopBudget, describe(marked(s.id)))
			s.kill()
			<-s.exited
		}
	}
	if code := exitCode(s.cmd.ProcessState); code != s.cfg.Exit && !s.stopped {
		s.tb.Errorf("exit code %d, want %d", code, s.cfg.Exit)
	}
	s.WantNoOrphans(reapBudget)
	s.kill()
	for _, addr := range s.Addrs {
		s.wantNotListening(addr)
	}
	s.waits.Wait()
	if races := s.Log.Grep("WARNING: DATA RACE"); len(races) > 0 {
		s.tb.Errorf("the race detector of the server found %d races", len(races))
	}
	if s.tb.Failed() {
		lines := s.Log.Lines()
		const most = 200
		if len(lines) > most {
			lines = append([]string{fmt.Sprintf("... %d lines ...", len(lines)-most)}, lines[len(lines)-most:]...)
		}
		s.tb.Logf("%s\nstderr:\n%s\nstdout:\n%s", s.cmd, strings.Join(lines, "\n"), s.Out)
	}
}

// kill ends what is left, by pid.
func (s *Server) kill() {
	for range 10 { // what is forked while we look is found in the next round
		left := marked(s.id)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		Poll(time.Second, func() bool { return len(marked(s.id)) == 0 })
	}
}

func (s *Server) wantNotListening(addr string) {
	scheme, rest, ok := strings.Cut(addr, "://")
	if !ok || !strings.HasPrefix(scheme, "http") || s.cfg.ExtraFiles != nil {
		return
	}
	conn, err := net.DialTimeout("tcp", rest, time.Second)
	if err == nil {
		conn.Close()
		s.tb.Errorf("somebody still listens on %s", addr)
	}
}

// An Echo is the answer of echo.py.
type Echo struct {
	EnvironType  string `json:"environ_type"`
	Environ      map[string]EnvironValue
	KeysAreStr   bool `json:"keys_are_str"`
	Pieces       int
	Longest      int
	PiecesBytes  bool  `json:"pieces_are_bytes"`
	LinesEnd     *bool `json:"lines_end"`
	Length       int
	SHA256       string
	Body         string
	NoncePath    string `json:"nonce_path"`
	NonceHeader  string `json:"nonce_header"`
	PID          int
	PPID         int
	Thread       string
	ThreadIdent  int64 `json:"thread_ident"`
	MainThread   bool  `json:"main_thread"`
	NativeMain   bool  `json:"native_main"`
	ModulesFound []string
}

// An EnvironValue is one entry of environ: the name of its Python type and its value, or its repr.
type EnvironValue struct {
	Type     string
	Value    any
	Callable bool
}

// ParseEcho decodes an answer of echo.py.
func ParseEcho(tb testing.TB, body []byte) Echo {
	tb.Helper()
	var echo Echo
	if err := json.Unmarshal(body, &echo); err != nil {
		tb.Fatalf("decode the echo: %v in %.300q", err, body)
	}
	return echo
}

// Escape quotes a string for use as one segment of a path.
func Escape(segment string) string { return url.PathEscape(segment) }

// UseBind takes the addresses from the configuration, for servers whose log does not name them.
func (s *Server) UseBind() {
	s.Addrs = nil
	for _, bind := range s.cfg.Bind {
		s.Addrs = append(s.Addrs, "http://"+bind)
	}
}

// Env is the environment that the server was started with.
func (s *Server) Env() []string { return slices.Clone(s.cmd.Env) }
