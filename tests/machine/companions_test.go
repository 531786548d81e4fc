package machine

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// figure is the value of one line of the metrics, -1 when there is no such line.
func figure(s *harness.Server, addr, line string) float64 {
	request, err := http.NewRequest(http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return -1
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + ` (\S+)$`).FindStringSubmatch(s.Do(request).Body)
	if found == nil {
		return -1
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	return n
}

// withCompanions starts a server with these programs, in Python's notation; %[1]s is its folder for marks.
func withCompanions(t *testing.T, exit int, programs string, args ...string) (s *harness.Server, metrics string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "gunicorn.conf.py")
	if err := os.WriteFile(config, []byte("companions = {"+programs+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	metrics = harness.FreePort(t)
	return harness.Start(t, harness.Config{
		App: "faults:app", Exit: exit, Args: append([]string{"-c", config, "-w", "1", "--chdir", harness.Apps(t), "--metrics-bind", metrics}, args...),
	}), metrics
}

// Check 6, beside the matrix of package companion: what the service manager of old would show of a program that dies in each way is in the
// metrics, web workers are replaced and counted, and nothing outlives the server.
func TestEndsOfProgramsAndWorkersAreCounted(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	programs := ""
	for name, script := range map[string]string{"zero": "exit 0", "one": "exit 1", "segv": "kill -SEGV $$", "kill": "kill -KILL $$"} {
		programs += fmt.Sprintf(`%q: {"command": ["sh", "-c", "%s"], "startsecs": 0, "essential": False},`, name, script)
	}
	programs += `
	"never": {"command": "false", "startretries": 0, "startsecs": 5, "essential": False},
	"sick": {"command": "sleep 100", "startsecs": 0, "health": {"http": "http://127.0.0.1:1/", "every": 0.1, "failures": 2}},
	"dear": {"command": "sleep 100", "startsecs": 0, "oom_score_adj": 321},
	"talks": {"command": ["sh", "-c", "i=0; while [ $i -lt 40 ]; do echo line $i of many; i=$((i+1)); done; exec sleep 100"], "startsecs": 0,
		"logfile": "` + logs + `/talks.log", "logfile_maxbytes": 200, "logfile_backups": 2},
	"pool": {"command": "sleep 100", "startsecs": 0, "count": 2},`
	s, metrics := withCompanions(t, 0, programs)
	of := func(name, program, more string) float64 {
		return figure(s, metrics, fmt.Sprintf("gounicorn_companion_%s{program=%q%s}", name, program, more))
	}
	for _, program := range []string{"zero", "one", "segv", "kill", "sick"} {
		harness.Eventually(t, harness.EventBudget, program+" is started again", func() bool { return of("restarts_total", program, "") > 0 })
	}
	for _, want := range []struct {
		program, state string
		processes      float64
	}{{"never", "fatal", 1}, {"never", "running", 0}, {"pool", "running", 2}, {"dear", "running", 1}} {
		harness.Eventually(t, harness.EventBudget, want.program+" is "+want.state, func() bool {
			return of("processes", want.program, fmt.Sprintf(",state=%q", want.state)) == want.processes
		})
	}
	if n := of("memory_bytes", "pool", ""); n < 1<<10 || n > 1<<30 {
		t.Errorf("the memory of the pool is %.0f bytes", n)
	}
	harness.Eventually(t, harness.EventBudget, "a program waits before it is started again", func() bool {
		return of("processes", "zero", `,state="backoff"`)+of("processes", "zero", `,state="running"`) == 1 && len(s.Log.Grep("Companion zero has ended: exit code 0")) > 1
	})
	if scores := scoresOf(t, s, "sleep\x00100"); !slices.Contains(scores, "321") {
		t.Errorf("oom_score_adj of the programs: %q", scores)
	}
	harness.Eventually(t, harness.EventBudget, "the log file is rotated", func() bool {
		text, _ := os.ReadFile(logs + "/talks.log")
		return strings.HasSuffix(string(text), "line 39 of many\n")
	})
	files, _ := filepath.Glob(logs + "/*")
	for _, file := range files {
		if st, err := os.Stat(file); err != nil || st.Size() > 200 {
			t.Errorf("%s: %v, %v", file, st.Size(), err)
		}
	}
	if len(files) != 3 {
		t.Errorf("files of the log: %q", files)
	}
	for path, cause := range map[string]string{"/exit/0": "exit", "/exit/1": "exit", "/segv": "signal", "/kill9": "signal"} {
		line := fmt.Sprintf("gounicorn_worker_restarts_total{cause=%q}", cause)
		before := figure(s, metrics, line)
		s.Request("POST", path, "x")
		harness.Eventually(t, harness.EventBudget, "the end of the worker by "+path+" is counted", func() bool { return figure(s, metrics, line) == before+1 })
	}
	if n := figure(s, metrics, "gounicorn_oom_kills_total"); n < 0 {
		t.Error("nothing is said of the kernel's killing for memory")
	}
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// scoresOf are the values of oom_score_adj of the processes of a server whose command lines end like this.
func scoresOf(t *testing.T, s *harness.Server, command string) (scores []string) {
	t.Helper()
	for _, pid := range s.Processes() {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasSuffix(strings.TrimRight(string(line), "\x00"), command) {
			score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
			if err != nil {
				t.Error(err)
			}
			scores = append(scores, strings.TrimSpace(string(score)))
		}
	}
	return scores
}

// Check 7: each program has its own grace, whose end means KILL for its group and not before; one that needs its grace is not cut off
// because another has used up its own, and the exit code tells which was cut.
func TestStopGivesEachProgramItsGraceAndTellsWhoWasCut(t *testing.T) {
	t.Parallel()
	// The worker ends its task at TERM; its pool, which gets no signal, does the work.
	worker := `trap 'touch "$GOUNICORN_TEST_DIR/asked"; wait $!; echo the task has ended' TERM
sh -c 'trap "echo the pool was asked" TERM; while [ ! -e "$GOUNICORN_TEST_DIR/open-task" ]; do sleep 0.05; done' & echo up; wait $!; wait $!`
	deaf := `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 0.1; done' & echo up; while :; do sleep 0.1; done`
	s, _ := withCompanions(t, 70, fmt.Sprintf(`
	"worker": {"command": ["sh", "-c", '''%s'''], "startsecs": 0, "stopwaitsecs": 60},
	"deaf": {"command": ["sh", "-c", '''%s'''], "startsecs": 0, "stopwaitsecs": 0.3, "exit_code": 70},`, worker, deaf))
	s.Log.Wait(t, 0, "worker: up", harness.EventBudget)
	s.Log.Wait(t, 0, "deaf: up", harness.EventBudget)
	s.Signal(syscall.SIGTERM)
	harness.Eventually(t, harness.EventBudget, "the worker is asked", func() bool { return s.Marked("asked") })
	s.Log.Wait(t, 0, "Companion deaf has stopped (SIGKILL", harness.EventBudget)
	if len(s.Log.Grep("Companion worker has stopped")) > 0 {
		t.Error("the worker has not had its grace")
	}
	s.Open(t, "open-task")
	if code := s.Wait(harness.StopBudget); code != 70 {
		t.Errorf("exit code %d, want that of the one that was cut", code)
	}
	s.Log.Wait(t, 0, "were killed: ", harness.EventBudget) // the last line may come after the end
	if len(s.Log.Grep("worker: the task has ended")) != 1 || len(s.Log.Grep("the pool was asked")) != 0 {
		t.Error("the task did not end by itself")
	}
	if lines := s.Log.Grep("were killed: "); len(lines) != 1 || !strings.HasSuffix(lines[0], "were killed: deaf") {
		t.Errorf("the log says %q", lines)
	}
}
