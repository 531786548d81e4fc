package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// troupe is a folder with a config file that names companions.
type troupe struct {
	t      *testing.T
	dir    string
	socket string
	client string
	*harness.Server
}

// companion is what control says of one.
type companion struct {
	Name, State, Note string
	PID, Restarts     int
	Healthy           bool
	LastExit          string `json:"last_exit"`
}

func newTroupe(t *testing.T) *troupe {
	t.Helper()
	return &troupe{t: t, dir: t.TempDir(), socket: filepath.Join(shortDir(t), "s"), client: clients(t)["gounicornc"]}
}

// write writes the config file; the programs are as Python has them.
func (c *troupe) write(companions string) {
	c.t.Helper()
	text := "control_socket = '" + c.socket + "'\nimport sys\nsys.path.insert(0, '" + harness.Apps(c.t) + "')\ncompanions = {" + companions + "}\n"
	if err := os.WriteFile(filepath.Join(c.dir, "gunicorn.conf.py"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *troupe) start(exit int, args ...string) {
	c.t.Helper()
	c.Server = harness.Start(c.t, harness.Config{App: "faults:app", Dir: c.dir, Exit: exit, Args: append([]string{"--pythonpath", harness.Apps(c.t)}, args...)})
}

func (c *troupe) launch(exit int, args ...string) {
	c.t.Helper()
	c.Server = harness.Launch(c.t, harness.Config{App: "faults:app", Dir: c.dir, Exit: exit, Args: append([]string{"--pythonpath", harness.Apps(c.t)}, args...)})
}

// status asks for one companion; the zero one if there is none yet.
func (c *troupe) status(name string) companion {
	c.t.Helper()
	stdout, _, _ := control(c.t, c.client, nil, "-s", c.socket, "-j", "-c", "companions")
	var answer struct{ Companions []companion }
	_ = json.Unmarshal([]byte(stdout), &answer)
	for _, one := range answer.Companions {
		if one.Name == name {
			return one
		}
	}
	return companion{}
}

func (c *troupe) wait(name, state string) companion {
	c.t.Helper()
	var last companion
	harness.Eventually(c.t, harness.EventBudget, name+" is "+state, func() bool { last = c.status(name); return last.State == state })
	return last
}

// A script notes its end in the file order.
const noting = `trap 'echo %[1]s >> "$GOUNICORN_TEST_DIR/order"; exit 0' TERM; echo %[1]s is up; while :; do sleep 0.02; done`

func TestCompanionsRunBesideTheWorkersThroughReloads(t *testing.T) {
	t.Parallel()
	c := newTroupe(t)
	programs := `
	"stays": {"command": ["sh", "-c", """` + fmt.Sprintf(noting, "stays") + `"""], "startsecs": 0.1},
	"later": {"command": ["sh", "-c", """` + fmt.Sprintf(noting, "later") + `"""], "startsecs": 0, "after": "stays"},
	"secret": {"command": ["sh", "-c", "exec sleep 100"], "startsecs": 0, "environment": {"TOKEN": "%s"}, "essential": False, "count": 2},
	`
	c.write(fmt.Sprintf(programs, "tomato") + `"goes": "sleep 100"`)
	c.start(0, "-w", "1")
	stays, secret := c.wait("stays", "RUNNING"), c.wait("secret:1", "RUNNING")
	c.wait("later", "RUNNING")
	c.wait("goes", "RUNNING")
	c.Log.Wait(t, 0, "[INFO] stays: stays is up", harness.EventBudget)
	if stdout, _, code := control(t, c.client, nil, "-s", c.socket, "-c", "companions"); code != 0 || !strings.Contains(stdout, "RUNNING") || !strings.Contains(stdout, "secret:1") {
		t.Errorf("companions: exit code %d\n%s", code, stdout)
	}
	if _, _, code := control(t, c.client, nil, "-s", c.socket, "-c", "companion restart secret:0"); code != 0 {
		t.Errorf("restart: exit code %d", code)
	}
	if _, stderr, code := control(t, c.client, nil, "-s", c.socket, "-c", "companion stop none"); code != 1 || !strings.Contains(stderr, "there is no such companion: none") {
		t.Errorf("stop: exit code %d, %s", code, stderr)
	}
	if _, _, code := control(t, c.client, nil, "-s", c.socket, "-c", "companion signal KILL secret:1"); code != 0 {
		t.Errorf("signal: exit code %d", code)
	}
	c.Log.Wait(t, 0, "Companion secret:1 has ended: SIGKILL", harness.EventBudget)
	harness.Eventually(t, harness.EventBudget, "it is started again", func() bool {
		now := c.status("secret:1")
		return now.State == "RUNNING" && now.PID != secret.PID && now.Restarts == 1 && strings.HasPrefix(now.LastExit, "SIGKILL")
	})
	before := c.status("secret:0")
	c.write(fmt.Sprintf(programs, "potato") + `"comes": {"command": "false", "startsecs": 5, "essential": False, "startretries": 0}`)
	c.Signal(syscall.SIGHUP)
	failed := c.wait("comes", "FATAL")
	if !strings.HasPrefix(failed.LastExit, "exit code 1") {
		t.Errorf("comes: %+v", failed)
	}
	harness.Eventually(t, harness.EventBudget, "what has changed is started again", func() bool {
		now := c.status("secret:0")
		return now.State == "RUNNING" && now.PID != before.PID && !harness.Alive(before.PID)
	})
	if now := c.status("stays"); now.PID != stays.PID || now.Restarts != 0 {
		t.Errorf("stays was started again: %+v", now)
	}
	if now := c.status("goes"); now.Name != "" {
		t.Errorf("goes is still there: %+v", now)
	}
	if _, _, code := control(t, c.client, nil, "-s", c.socket, "-c", "companions"); code != 3 {
		t.Errorf("companions with one that failed: exit code %d", code)
	}
	c.write(`"stays": {"comand": "x"}`)
	mark := c.Log.Len()
	c.Signal(syscall.SIGHUP)
	c.Log.Wait(t, mark, `stays: there is no key "comand"; the keys are`, harness.EventBudget)
	if now := c.status("stays"); now.PID != stays.PID {
		t.Errorf("a wrong reload has changed something: %+v", now)
	}
	shown, _, _ := control(t, c.client, nil, "-s", c.socket, "-c", "show config")
	if !strings.Contains(shown, "TOKEN") {
		t.Errorf("show config: %s", shown)
	}
	for where, text := range map[string]string{"show config": shown, "the log": c.Log.String()} {
		if strings.Contains(text, "tomato") || strings.Contains(text, "potato") {
			t.Errorf("%s has a value of the environment", where)
		}
	}
	// The last request is answered before the first companion is asked to stop.
	running := c.Go("/gate/end")
	c.WaitMark(t, "entered-end", 1)
	mark = c.Log.Len()
	c.Signal(syscall.SIGTERM)
	c.Log.Wait(t, mark, "Handling signal: term", harness.EventBudget)
	if order, err := os.ReadFile(filepath.Join(c.Dir, "order")); err == nil {
		t.Errorf("companions have stopped before the web workers: %s", order)
	}
	c.Open(t, "open-end")
	if reply := <-running; reply.Status != 200 {
		t.Errorf("the last request: %+v", reply)
	}
	if code := c.Wait(harness.StopBudget); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if order, _ := os.ReadFile(filepath.Join(c.Dir, "order")); string(order) != "later\nstays\n" {
		t.Errorf("order of the stop: %q", order)
	}
}

func TestCompanionThatIsGivenUpOrCutOffNamesTheExitCode(t *testing.T) {
	t.Parallel()
	deaf := `"deaf": {"command": ["sh", "-c", "trap '' TERM; (trap '' TERM; setsid sleep 99) & echo deaf is up; while :; do sleep 1; done"], "startsecs": 0, "stopwaitsecs": %s, "exit_code": %s}`
	for _, test := range []struct {
		name, programs string
		args           []string
		ready          string // what the log says before TERM is sent; empty: it ends by itself
		code           int
		log            string
	}{
		{"given up", `"w": {"command": "false", "startretries": 0}`, nil, "", 5, "Companion w is essential, so the server stops"},
		{"given up with a code of its own", `"w": {"command": "no-such-program", "startretries": 0, "exit_code": 71}`, nil, "", 71, "no-such-program is not found on PATH"},
		{"cut off after its grace", fmt.Sprintf(deaf, "0.3", "None"), nil, "deaf: deaf is up", 7, "Companions that did not stop in time and were killed: deaf"},
		{"cut off by the deadline of all", fmt.Sprintf(deaf, "100", "72"), []string{"--stop-timeout", "1"}, "deaf: deaf is up", 72, "killed: deaf"},
		{"from the command line", "", []string{"--companion", "worker=false", "--companion", "other=sleep 100"}, "Companion other runs", 5, ""},
		{"a wrong flag", "", []string{"--companion", "sleep 100"}, "", 1, "it must look like NAME=COMMAND"},
		{"a wrong key", `"w": {"command": "true", "count": 0}`, nil, "", 1, "w: count: it must be a whole number from 1 to 100"},
		{"a step that fails", "", []string{"--prestart", "true", "--prestart", "sh -c 'echo no; exit 9'"}, "", 6, `the step "sh -c 'echo no; exit 9'" before the start failed: exit code 9`},
		{"a step that hangs", "", []string{"--prestart", "sleep 100", "--prestart-timeout", "0.2"}, "", 6, "did not end within 200ms (--prestart-timeout)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newTroupe(t)
			c.write(test.programs)
			c.launch(test.code, append([]string{"-w", "1"}, test.args...)...)
			if test.ready != "" {
				c.Log.Wait(t, 0, test.ready, harness.StartBudget)
				if test.code != 5 {
					c.Signal(syscall.SIGTERM)
				}
			}
			if code := c.Wait(harness.StopBudget); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if test.log != "" {
				c.Log.Wait(t, 0, test.log, harness.EventBudget)
			}
			if test.code == 6 && strings.Contains(c.Log.String(), "Listening at") {
				t.Error("it has listened")
			}
		})
	}
}

func TestStepsRunOnceBeforeTheServerListens(t *testing.T) {
	t.Parallel()
	c := newTroupe(t)
	c.write("")
	c.start(0, "-w", "2", "--prestart", `sh -c 'echo step >> "$GOUNICORN_TEST_DIR/steps"; echo did it'`, "-e", "A=1")
	lines := c.Log.Lines()
	said := func(text string) int {
		return slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, text) })
	}
	if did, listens := said("prestart: did it"), said("Listening at"); did < 0 || did > listens {
		t.Errorf("the step is line %d, listening %d", did, listens)
	}
	c.Signal(syscall.SIGHUP)
	harness.Eventually(t, harness.EventBudget, "the reload", func() bool { return len(c.Log.Grep("Ready: 2 workers")) == 2 })
	if steps, _ := os.ReadFile(filepath.Join(c.Dir, "steps")); string(steps) != "step\n" {
		t.Errorf("steps: %q", steps)
	}
}

func TestCompanionsDieWithAMasterThatIsKilled(t *testing.T) {
	t.Parallel()
	c := newTroupe(t)
	c.write(`"deaf": {"command": ["sh", "-c", "trap '' TERM; echo deaf is up; while :; do sleep 0.1; done"], "startsecs": 0}`)
	c.start(-int(syscall.SIGKILL), "-w", "1")
	c.Log.Wait(t, 0, "deaf is up", harness.EventBudget)
	if code := c.Stop(syscall.SIGKILL); code != -int(syscall.SIGKILL) {
		t.Errorf("exit code %d", code)
	}
	c.WantNoOrphans(harness.EventBudget)
}

// celeryVenv is a virtual environment with Celery, made once.
func celeryVenv(t *testing.T) string {
	t.Helper()
	venv := filepath.Join(harness.Root(t), "build", "companion-venv")
	cmd := exec.Command(filepath.Join(harness.Root(t), "tests", "setup.sh"), venv, filepath.Join(harness.Root(t), "tests", "python", "companions.txt"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return venv
}

const celeryTasks = `
import os, time
from celery import Celery

app = Celery("tasks", broker="filesystem://")
here = os.environ["GOUNICORN_TEST_DIR"]
app.conf.update(
    broker_transport_options={"data_folder_in": here + "/queue", "data_folder_out": here + "/queue", "control_folder": here + "/control"},
    beat_schedule={"tick": {"task": "tasks.mark", "schedule": 0.5, "args": ("beat",)}},
    worker_hijack_root_logger=False,
)
os.makedirs(here + "/queue", exist_ok=True)

def note(name):
    with open(os.path.join(here, name), "a") as f:
        f.write("x\n")

@app.task
def mark(name):
    note(name)

@app.task
def wait(gate):
    note("began")
    while not os.path.exists(os.path.join(here, gate)):
        time.sleep(0.02)
    note("ended")
`

// Celery's worker finishes its task at TERM, while its pool, which gets no signal, is left alone; a reload touches neither it nor beat.
func TestCeleryWorkerAndBeat(t *testing.T) {
	t.Parallel()
	venv := celeryVenv(t)
	c := newTroupe(t)
	if err := os.WriteFile(filepath.Join(c.dir, "tasks.py"), []byte(celeryTasks), 0o600); err != nil {
		t.Fatal(err)
	}
	celery := filepath.Join(venv, "bin", "celery")
	common := `"environment": {"C_FORCE_ROOT": "1"}, "startsecs": 0.2, "stopwaitsecs": 60`
	c.write(fmt.Sprintf(`
		"worker": {"command": "%s -A tasks worker -l INFO -c 2 --without-gossip --without-mingle --without-heartbeat", %s},
		"beat": {"command": "%s -A tasks beat --pidfile= -s %s/schedule", "singleton": True, "after": "worker", %s}`, celery, common, celery, c.dir, common))
	c.start(0, "-w", "1")
	worker, beat := c.wait("worker", "RUNNING"), c.wait("beat", "RUNNING")
	marks := func(name string) int { return len(c.Marks(name)) }
	harness.Eventually(t, 2*harness.EventBudget, "beat's tasks are run", func() bool { return marks("beat") >= 2 })
	c.Signal(syscall.SIGHUP)
	harness.Eventually(t, harness.EventBudget, "the reload", func() bool { return len(c.Log.Grep("Ready: 1 workers")) == 2 })
	send := exec.Command(filepath.Join(venv, "bin", "python"), "-c", "import tasks; tasks.wait.delay('open')")
	send.Dir, send.Env = c.dir, c.Env()
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	harness.Eventually(t, harness.EventBudget, "the long task has begun", func() bool { return marks("began") == 1 })
	if c.status("worker").PID != worker.PID || c.status("beat").PID != beat.PID {
		t.Error("the reload has started them again")
	}
	c.Signal(syscall.SIGTERM)
	c.Log.Wait(t, 0, "Warm shutdown", harness.EventBudget)
	if harness.Alive(beat.PID) || !harness.Alive(worker.PID) {
		t.Error("the worker was asked to stop before beat had ended")
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := c.Wait(2 * harness.StopBudget); code != 0 || marks("ended") != 1 {
		t.Errorf("exit code %d, %d tasks have ended", code, marks("ended"))
	}
}

func TestImportPrintsSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(harness.Root(t), "prefork", "companion", "adopt", "testdata", "supervisord.conf")
	stdout, stderr, code := control(t, harness.Binary(t), nil, "import", file)
	if code != 0 || !strings.Contains(stdout, "companions = {") || !strings.Contains(stdout, "# - [inet_http_server]") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if _, stderr, code := control(t, harness.Binary(t), nil, "import", "no-such-file"); code != 1 || !strings.Contains(stderr, "no such file") {
		t.Errorf("no file: exit code %d, %s", code, stderr)
	}
	if _, _, code := control(t, harness.Binary(t), nil, "import"); code != 2 {
		t.Errorf("no argument: exit code %d", code)
	}
}
