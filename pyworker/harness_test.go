package pyworker_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"github.com/gounicorn/gounicorn/python"
)

// budget is how long a test waits for an event that must come.
const budget = 30 * time.Second

// interpreter is the Python to test with: PYTHON, as for make, or python3.
var interpreter = sync.OnceValues(func() (string, error) {
	name := os.Getenv("PYTHON")
	if name == "" {
		name = "python3"
	}
	out, err := exec.Command(name, "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

// builtWorker is the program under test: GOUNICORN_WORKER, or one that is built for the interpreter.
var builtWorker = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("GOUNICORN_WORKER"); path != "" {
		return filepath.Abs(path)
	}
	py, err := interpreter()
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(filepath.Join("..", "build", "test", "gounicorn-worker"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command(py, filepath.Join("python", "cgoflags.py"), "go", "build", "-o", path, "./cmd/gounicorn-worker")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_CFLAGS=", "CGO_LDFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the worker: %w\n%s", err, out)
	}
	return path, nil
})

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

type packet struct {
	wire.Header
	payload []byte
	files   []*os.File
}

// channel is one control socket: everything that arrives is kept, in order, until a test waits for it.
type channel struct {
	*wire.Packets
	packets chan packet
}

func newChannel(t testing.TB, file *os.File) *channel {
	c := &channel{wire.NewPackets(file), make(chan packet, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(c.packets)
		for {
			h, payload, files, err := c.Receive()
			if err != nil {
				return
			}
			c.packets <- packet{h, payload, files}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c
}

// next waits for a packet of the given kind; others before it are reported and dropped.
func (c *channel) next(t testing.TB, kind wire.Kind) packet {
	t.Helper()
	deadline := time.After(budget)
	for {
		select {
		case p, ok := <-c.packets:
			if !ok {
				t.Fatalf("the control socket closed before %v came", kind)
			}
			if p.Kind == kind {
				return p
			}
			t.Logf("while waiting for %v: %v aux=%d a=%d b=%d %s", kind, p.Kind, p.Aux, p.A, p.B, p.payload)
			if p.Kind == wire.KindBootFailed {
				t.FailNow()
			}
		case <-deadline:
			t.Fatalf("%v did not come within %v", kind, budget)
		}
	}
}

// master plays gounicorn for one zygote.
type master struct {
	zygote  *exec.Cmd
	control *channel
	queue   *wire.Packets
	board   *wire.Scoreboard
	exited  chan struct{}
	stderr  *output
	slot    uint32
}

// boot is the boot document, and what else a test may want to be different.
type boot struct {
	app, python, dir string
	config           string // as -c
	preload          bool
	env              []string       // of the zygote
	task, document   map[string]any // what is different in those of CONFIGURE and BOOT
}

// spawn starts a zygote and hands it its boot document.
func spawn(t *testing.T, b boot) *master {
	t.Helper()
	path := must(builtWorker())(t)
	if b.python == "" {
		b.python = must(interpreter())(t)
	}
	control, controlRemote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "control")
	if err != nil {
		t.Fatal(err)
	}
	queue, queueRemote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "queue")
	if err != nil {
		t.Fatal(err)
	}
	m := &master{board: must(wire.NewScoreboard(16))(t), exited: make(chan struct{}), stderr: &output{}}
	m.queue = wire.NewPackets(queue)
	m.zygote = exec.Command(path)
	m.zygote.ExtraFiles = []*os.File{controlRemote, queueRemote, m.board.File()}
	m.zygote.Env = append(os.Environ(), "GOUNICORN_ZYGOTE=1", "GOUNICORN_PYTHON="+b.python)
	m.zygote.Env = append(m.zygote.Env, b.env...)
	m.zygote.Dir = b.dir
	if b.dir == "" {
		m.zygote.Dir = "testdata"
	}
	m.zygote.Stdout, m.zygote.Stderr = m.stderr, m.stderr
	m.zygote.WaitDelay = budget
	if err := m.zygote.Start(); err != nil {
		t.Fatal(err)
	}
	_ = controlRemote.Close()
	_ = queueRemote.Close()
	m.control = newChannel(t, control)
	go func() {
		_ = m.zygote.Wait()
		close(m.exited)
	}()
	t.Cleanup(func() {
		_ = m.zygote.Process.Kill()
		<-m.exited
		_ = m.queue.Close()
		_ = m.board.Close()
		if t.Failed() {
			t.Logf("stderr of the zygote:\n%s", m.stderr)
		}
	})
	cfg := map[string]any{"loglevel": "info", "errorlog": "-", "accesslog": nil, "syslog": false, "statsd_host": nil, "logger_class": "gunicorn.glogging.Logger"}
	for _, name := range []string{"logconfig", "logconfig_json", "logconfig_dict"} {
		cfg[name] = nil
	}
	task := map[string]any{
		"argv": []string{"gounicorn", b.app}, "server_software": "gounicorn/0.1.0", "sources": python.Sources(),
		"directory": must(filepath.Abs(m.zygote.Dir))(t), "config": b.config, "paste": "", "defaults": cfg, "settings": []string{"workers", "bind"}, "hooks": hooks,
	}
	maps.Copy(task, b.task)
	m.send(t, wire.KindConfigure, must(json.Marshal(task))(t))
	document := map[string]any{
		"app": b.app, "preload": b.preload, "chdir": nil, "pythonpath": []string{}, "env": map[string]string{}, "threads": 1, "workers": 2,
		"generation": 1, "settings": cfg, "python_logs": false, "pid": os.Getpid(), "server_software": "gounicorn/0.1.0", "graceful_timeout": 5,
	}
	maps.Copy(document, b.document)
	m.send(t, wire.KindBoot, must(json.Marshal(document))(t))
	return m
}

// hooks are those that zygote and worker run.
var hooks = []string{
	"on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_int", "worker_abort", "pre_exec",
	"child_exit", "worker_exit", "nworkers_changed", "on_exit",
}

// send sends a document in a descriptor.
func (m *master) send(t *testing.T, kind wire.Kind, text []byte) {
	t.Helper()
	fd := must(unix.MemfdCreate("document", unix.MFD_CLOEXEC))(t)
	file := os.NewFile(uintptr(fd), "document")
	defer func() { _ = file.Close() }()
	if _, err := file.Write(text); err != nil {
		t.Fatal(err)
	}
	h := wire.Header{Length: uint32(len(text)), Kind: kind, Flags: wire.FlagPayloadFD, Aux: wire.Version}
	if err := m.control.Send(h, nil, fd); err != nil && !errors.Is(err, unix.EPIPE) { // one that has refused is gone, and what it said can be read
		t.Fatal(err)
	}
}

// worker is one forked worker, seen from the master.
type worker struct {
	id             uint32
	pid            int
	control        *channel
	own            *wire.Packets // its own queue, or nil
	streams        []*wire.Stream
	stdout, stderr *output
	pidfd          *os.File
}

// fork asks for a worker and waits until the zygote has forked it.
func (m *master) fork(t *testing.T, id uint32, threads int) *worker {
	t.Helper()
	return m.forkWith(t, id, threads, false)
}

// forkWith is fork, of a worker that may have an own queue.
func (m *master) forkWith(t *testing.T, id uint32, threads int, own bool) *worker {
	t.Helper()
	w := &worker{id: id, stdout: &output{}, stderr: &output{}}
	local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "worker control")
	if err != nil {
		t.Fatal(err)
	}
	w.control = newChannel(t, local)
	give := []*os.File{remote, w.stdout.pipe(t), w.stderr.pipe(t)}
	var b uint32
	if own {
		b = 1
		local, remote, err := wire.SocketPair(unix.SOCK_SEQPACKET, "own queue")
		if err != nil {
			t.Fatal(err)
		}
		w.own = wire.NewPackets(local)
		t.Cleanup(func() { _ = w.own.Close() })
		give = append(give, remote)
	}
	for i := range threads {
		give = append(give, w.newStream(t, i))
	}
	fds := make([]int, len(give))
	for i, f := range give {
		fds[i] = int(f.Fd())
	}
	err = m.control.Send(wire.Header{Kind: wire.KindFork, Aux: uint16(threads), A: id, B: b}, []byte{0, 0, 0, 0}, fds...)
	for _, f := range give {
		_ = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := m.control.next(t, wire.KindForked)
	if p.A != id || len(p.files) != 1 {
		t.Fatalf("FORKED: worker %d, %d descriptors; want worker %d and one", p.A, len(p.files), id)
	}
	w.pid, w.pidfd = int(p.B), p.files[0]
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(int(w.pidfd.Fd()), unix.SIGKILL, nil, 0)
		_ = w.pidfd.Close()
		if t.Failed() {
			t.Logf("worker %d:\n%s%s", id, w.stdout, w.stderr)
		}
	})
	return w
}

// newStream makes the response stream of one thread and returns the worker's end.
func (w *worker) newStream(t *testing.T, index int) *os.File {
	t.Helper()
	local, remote, err := wire.SocketPair(unix.SOCK_STREAM, "stream")
	if err != nil {
		t.Fatal(err)
	}
	stream := must(wire.NewStream(local))(t)
	t.Cleanup(func() { _ = stream.Close() })
	if index == len(w.streams) {
		w.streams = append(w.streams, nil)
	}
	w.streams[index] = stream
	return remote
}

// hello waits for the first frame of a thread.
func (w *worker) hello(t *testing.T, index int) {
	t.Helper()
	h, _, _, err := w.streams[index].Next()
	if err != nil || h.Kind != wire.KindHello || h.A != w.id || int(h.B) != index || h.Aux != wire.Version {
		t.Fatalf("stream %d begins with %+v, %v; want HELLO", index, h, err)
	}
}

// start forks a worker and waits until it serves.
func (m *master) start(t *testing.T, id uint32, threads int) *worker {
	t.Helper()
	return m.startWith(t, id, threads, false)
}

// startWith is start, of a worker that may have an own queue.
func (m *master) startWith(t *testing.T, id uint32, threads int, own bool) *worker {
	t.Helper()
	w := m.forkWith(t, id, threads, own)
	if p := w.control.next(t, wire.KindReady); p.A != id || int(p.B) != w.pid {
		t.Errorf("READY: worker %d, pid %d; want %d and %d", p.A, p.B, id, w.pid)
	}
	for i := range w.streams {
		w.hello(t, i)
	}
	return w
}

// request puts GET path on the shared queue and returns its slot.
func (m *master) request(t *testing.T, path string) uint32 {
	t.Helper()
	return m.requestOn(t, m.queue, 0, path)
}

// requestOn puts GET path on a queue, with flags, and returns its slot.
func (m *master) requestOn(t *testing.T, queue *wire.Packets, flags uint8, path string) uint32 {
	t.Helper()
	m.slot = (m.slot + 1) % 16
	generation := m.slot + 100
	m.board.Queue(m.slot, generation)
	payload := binary.LittleEndian.AppendUint64(nil, 0)
	pairs := [][2]string{
		{"REQUEST_METHOD", "GET"}, {"PATH_INFO", path}, {"QUERY_STRING", ""}, {"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SERVER_NAME", "localhost"}, {"SERVER_PORT", "80"}, {"wsgi.url_scheme", "http"}, {"SCRIPT_NAME", ""},
	}
	for _, p := range pairs {
		payload = append(payload, 0)
		payload = binary.LittleEndian.AppendUint16(payload, uint16(len(p[0])))
		payload = append(payload, p[0]...)
		payload = binary.LittleEndian.AppendUint32(payload, uint32(len(p[1])))
		payload = append(payload, p[1]...)
	}
	h := wire.Header{Kind: wire.KindRequest, Flags: flags, Aux: uint16(len(pairs)), A: m.slot, B: generation}
	if err := queue.Send(h, payload); err != nil {
		t.Fatal(err)
	}
	return m.slot
}

// answer reads one whole response from a stream.
func answer(stream *wire.Stream) (status int, body string, err error) {
	for {
		h, payload, _, err := stream.Next()
		if err != nil {
			return 0, "", err
		}
		switch h.Kind {
		case wire.KindHead:
			status = int(h.Aux)
			body = string(payload[binary.LittleEndian.Uint32(payload):])
		case wire.KindBody:
			body += string(payload)
		case wire.KindAbort:
			return 0, "", fmt.Errorf("aborted: cause %d", h.Aux)
		}
		if h.End() {
			return status, body, nil
		}
	}
}

// get sends GET path to a worker that is alone on the queue and has one thread.
func (m *master) get(t *testing.T, w *worker, path string) string {
	t.Helper()
	m.request(t, path)
	status, body, err := answer(w.streams[0])
	if err != nil || status != 200 {
		t.Fatalf("GET %s: %d %q %v", path, status, body, err)
	}
	return body
}

// exitStatus waits until the zygote reports the end of a worker.
func (m *master) exitStatus(t *testing.T, w *worker) unix.WaitStatus {
	t.Helper()
	p := m.control.next(t, wire.KindExited)
	if p.A != w.id || int(p.B) != w.pid {
		t.Fatalf("EXITED: worker %d, pid %d; want %d and %d", p.A, p.B, w.id, w.pid)
	}
	return unix.WaitStatus(binary.LittleEndian.Uint32(p.payload))
}

// gone waits until the process behind a pidfd has ended.
func gone(t testing.TB, pidfd *os.File) {
	t.Helper()
	deadline := time.Now().Add(budget)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("the process is still there after %v: %v", budget, err)
		}
		return
	}
}

func (m *master) waitExit(t testing.TB) int {
	t.Helper()
	select {
	case <-m.exited:
		return m.zygote.ProcessState.ExitCode()
	case <-time.After(budget):
		t.Fatalf("the zygote is still there after %v", budget)
		return 0
	}
}

// output collects what a process writes; waitFor waits until it holds a text.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) pipe(t testing.TB) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(o, r)
	}()
	t.Cleanup(func() {
		_ = r.Close()
		<-done
	})
	return w
}

func (o *output) waitFor(t testing.TB, text string) {
	t.Helper()
	deadline := time.After(budget)
	for {
		o.mu.Lock()
		if strings.Contains(o.buf.String(), text) {
			o.mu.Unlock()
			return
		}
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed := o.changed
		o.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%q was not written within %v; there is:\n%s", text, budget, o)
		}
	}
}
