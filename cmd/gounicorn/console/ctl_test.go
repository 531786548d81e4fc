package console

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/cmd/gounicorn/insight"
	"github.com/gounicorn/gounicorn/prefork"
	"github.com/gounicorn/gounicorn/server/control"
)

func TestCtlCommandLine(t *testing.T) {
	home := t.TempDir()
	for _, test := range []struct {
		line, out string
		code      int
	}{
		{"", "usage: gounicorn ctl", 0},
		{"status --help", "Exit codes:", 0},
		{"nope", `there is no command "nope"; gounicorn ctl --help lists them`, 2},
		{"--json", "name a command", 2},
		{"status -s", "argument -s: expected one argument", 2},
		{"reload --timeout never", `"never" is no number of seconds`, 2},
		{"reload --timeout -1", "is no number of seconds", 2},
		{"scale", "say gounicorn ctl scale N|+N|-N", 2},
		{"stacks 1 2", "say gounicorn ctl stacks PID|all", 2},
		{"status", "nobody answers at " + home + "/.gunicorn/gunicorn*.ctl: is the server running", 1},
		{"status -s " + home + "/none", "no socket at " + home + "/none", 1},
		{"completion zsh", `there is completion for bash, not for "zsh"`, 1},
	} {
		var out bytes.Buffer
		p := &Program{Stdout: &out, Stderr: &out, Env: func(name string) (string, bool) { return map[string]string{"HOME": home}[name], name == "HOME" }}
		if code := ctl(p, strings.Fields(test.line)); code != test.code || !strings.Contains(out.String(), test.out) {
			t.Errorf("ctl %s: exit code %d, want %d and %q: %s", test.line, code, test.code, test.out, &out)
		}
	}
	s := &session{}
	words, err := s.parse([]string{"logs", "--socket=x", "-n", "5", "--timeout=0.5", "--json", "--no-wait"})
	if err != nil || strings.Join(words, " ") != "logs -n 5" || s.path != "x" || s.timeout != time.Second/2 || !s.json || !s.noWait {
		t.Errorf("parsed as %v, %+v, %v", words, s, err)
	}
}

func TestTroubles(t *testing.T) {
	worker := func(state string, overflow bool) prefork.WorkerStatus {
		return prefork.WorkerStatus{State: state, Overflow: overflow}
	}
	for _, test := range []struct {
		name string
		want string // a piece of each sentence, in order
		d    insight.Document
	}{
		{"well", "", insight.Document{State: insight.StateServing, Wanted: 1, Status: prefork.Status{Workers: []prefork.WorkerStatus{worker("ready", false)}}}},
		{"no overflow worker stands for one that is missing", "1 of 2 workers are ready", insight.Document{
			State: insight.StateServing, Wanted: 2, Status: prefork.Status{Workers: []prefork.WorkerStatus{worker("ready", false), worker("ready", true), worker("booting", false)}},
		}},
		{"who rests needs none", "", insight.Document{State: insight.StateResting, Wanted: 2}},
		{"a reload", "failed, the workers with the old code go on: SyntaxError: x", insight.Document{
			Status: prefork.Status{Reload: prefork.ReloadStatus{State: prefork.ReloadFailed, Error: "Failed\n  File y\nSyntaxError: x\n"}},
		}},
		{"a companion", "companion beat is FATAL", insight.Document{Companions: []control.Companion{{Name: "beat", State: "FATAL"}, {Name: "w", State: "RUNNING", Healthy: true}}}},
	} {
		got := strings.Join(troubles(&test.d), "\n")
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestCompletionOfBash(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	run := `gounicorn() { :; }; source "$0"; COMP_WORDS=("$@" ""); COMP_CWORD=$#; _gounicorn; echo "${COMPREPLY[*]}"`
	var out bytes.Buffer
	if code := ctl(&Program{Stdout: &out, Stderr: &out}, []string{"completion", "bash"}); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	if err := os.WriteFile(script, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"gounicorn":                    "ctl",
		"gounicorn ctl":                "reload",
		"gounicorn ctl -s x":           "status",
		"gounicorn ctl --json stop":    "--quick",
		"gounicorn ctl config":         "max_requests",
		"gounicorn ctl -s":             "", // a file
		"gounicorn compress":           "",
		"gounicorn ctl -s y companion": "start stop restart signal",
	} {
		got, err := exec.Command("bash", append([]string{"-c", run, script}, strings.Fields(line)...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(got), want) || want == "" && strings.TrimSpace(string(got)) != "" {
			t.Errorf("%s: %q %v, want %q", line, got, err, want)
		}
	}
}
