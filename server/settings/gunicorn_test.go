package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// question is asked of gunicorn itself, testdata/gunicorn_reads.py.
type question struct {
	Known   bool            `json:"known,omitempty"`
	Args    []string        `json:"args,omitempty"`
	EnvArgs *string         `json:"env_args,omitempty"`
	Name    string          `json:"name,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Split   *string         `json:"split,omitempty"`
}

// reading is gunicorn's answer.
type reading struct {
	Settings []struct {
		Name    string
		Flags   []string
		Hook    bool
		Default string
	}
	Exit   int
	Error  *string
	Values map[string]string
	App    string
	Text   string
	Words  []string
}

// home is a home folder for both sides; gunicorn computes a default from it.
const home = "/srv/somebody"

// ask runs gunicorn 27.0.1 of the test's virtual environment once for all
// questions.
func ask(t *testing.T, questions []question) []reading {
	t.Helper()
	var in bytes.Buffer
	for _, q := range questions {
		line, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(harness.Venv(t), "bin", "python"), "testdata/gunicorn_reads.py")
	cmd.Stdin, cmd.Stderr, cmd.Env = &in, os.Stderr, []string{"HOME=" + home}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gunicorn: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(lines), len(questions))
	}
	answers := make([]reading, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &answers[i]); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return answers
}

// homeEnv is the environment gunicorn is asked in.
var homeEnv = envOf(map[string]string{"HOME": home})

// printed is what --print-config shows of v, by name.
func printed(t *testing.T, v *Values) map[string]string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(v.Print(dir, os.Geteuid(), os.Getegid())) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		values[strings.TrimSpace(name)] = value
	}
	return values
}

func TestTheTableHasEverySettingOfGunicorn(t *testing.T) {
	theirs := ask(t, []question{{Known: true}})[0].Settings
	if len(theirs) != 120 {
		t.Errorf("gunicorn has %d settings", len(theirs))
	}
	v, err := Parse(nil, homeEnv)
	if err != nil {
		t.Fatal(err)
	}
	ours := printed(t, &v)
	names := map[string]bool{}
	for _, g := range theirs {
		names[g.Name] = true
		s := Lookup(g.Name)
		if s == nil || s.Origin != Gunicorn {
			t.Errorf("%s of gunicorn has no row", g.Name)
			continue
		}
		if !slices.Equal(s.Flags, g.Flags) {
			t.Errorf("%s: flags %q, gunicorn has %q", g.Name, s.Flags, g.Flags)
		}
		if g.Hook != (s.Kind == Hook) {
			t.Errorf("%s is a %v; a hook in gunicorn: %v", g.Name, s.Kind, g.Hook)
		}
		if same := ours[g.Name] == g.Default; same == (s.Differs != "") {
			t.Errorf("%s: default %q, gunicorn has %q; the table says it differs because %q", g.Name, ours[g.Name], g.Default, s.Differs)
		}
	}
	for _, s := range All {
		if s.Origin == Gunicorn && !names[s.Name] {
			t.Errorf("%s is no setting of gunicorn", s.Name)
		}
	}
}

// exitOf is the exit status that an error means.
func exitOf(err error) int {
	var coder interface{ ExitCode() int }
	switch {
	case err == nil || errors.Is(err, ErrHelp) || errors.Is(err, ErrVersion):
		return 0
	case errors.As(err, &coder):
		return coder.ExitCode()
	}
	return -1
}

// argumentPieces are words that command lines are made of, some of them wrong.
var argumentPieces = []string{
	"app:app", "other", "-", "--", "-1", "-1.5", "- x", "a b", "", "-w", "-w4", "-w=4", "--workers=3", "--workers", "--worker-cl", "gthread", "3",
	"-b", "-b=:80", "127.0.0.1:80", "--bind=unix:/x", "-e", "-eA=1", "-e=B=2", "A=1", "--env", "-D", "-R", "-Rw4", "-DR", "-DRb", "-D=1", "-R4",
	"--preload", "--preload=yes", "--pre", "--proxy-protocol", "--proxy-protocol=v1", "--proxy-proto", "v2", "--access-logf", "--access-logfile", "--access-logformat",
	"--max-requests", "--max-requests=5", "--max-requests-j", "7", "--log", "--log-f", "--log-file=x", "--error-logfile", "--limit-request-field_size", "--no-such",
	"-Z", "-Zx", "--no-such=1", "-m", "022", "0o22", "0x12", "--umask=9", "-c", "x.py", "--config=y.py", "-t", "30", "--timeout=x", "--ti", "--thr", "-n", "name",
	"--forwarded-allow-ips=*", "--forwarded-allow-ips", "10.0.0.0/8", "10.0.0.1/8", "--paste-global", "--paste", "--pas", "--reuse-port", "--no-sendfile", "--keep",
	"--header-map=refuse", "--header-map", "--statsd-host", "localhost:8125", "-u", "0", "-g", "--check", "--print-c", "-p", "/run/x.pid", "1_0", " 5 ", "+5",
}

// deliberate tells of a setting whose text is not gunicorn's, and why.
var deliberate = map[string]string{
	"workers": "auto", "keepalive": "75", "worker_connections": "0 is no limit", "default_proc_name": "set from the app outside the parser",
	"wsgi_app": "shows what will run", "worker_class": "its short name is shown, and threads make it gthread", "limit_request_field_size": "0 shows as what it means",
	"limit_request_fields": "likewise", "limit_request_line": "what has an effect", "bind": "shown in one spelling", "pythonpath": "shown in one spelling",
	"statsd_host": "an empty text is none, not 0.0.0.0", "threads": "0 is 1", "backlog": "0 is 1", "chdir": "needs a folder", "loglevel": "an unknown one shows as what it means",
	"http_protocols": "HTTP/2 is offered", "http2_initial_window_size": "1 MiB",
}

func TestCommandLinesAreReadAsGunicornReadsThem(t *testing.T) {
	random := rand.New(rand.NewPCG(27, 1))
	pick := func(most int) []string {
		words := []string{}
		for range random.IntN(most + 1) {
			words = append(words, argumentPieces[random.IntN(len(argumentPieces))])
		}
		return words
	}
	var questions []question
	for i := range 500 {
		q := question{Args: pick(5)}
		if len(q.Args) == 0 {
			q.Args = []string{"app:app"}
		}
		env := ""
		if i%4 == 0 {
			for _, word := range pick(2) {
				env += "'" + word + "' "
			}
		}
		q.EnvArgs = &env
		questions = append(questions, q)
	}
	succeeded := 0
	for i, theirs := range ask(t, questions) {
		q := questions[i]
		v, err := Parse(q.Args, envOf(map[string]string{"HOME": home, "GUNICORN_CMD_ARGS": *q.EnvArgs}))
		if exit := exitOf(err); exit != theirs.Exit {
			if exit == 1 && refusedLater(err) || theirs.Error != nil && strings.HasPrefix(*theirs.Error, "No such ") {
				continue // users and groups are looked up when the server becomes them
			}
			t.Errorf("%q, GUNICORN_CMD_ARGS=%q: exit status %d (%v), gunicorn %d", q.Args, *q.EnvArgs, exit, err, theirs.Exit)
			continue
		}
		if err != nil || theirs.Values == nil {
			continue
		}
		succeeded++
		if v.WSGIApp != theirs.App {
			t.Errorf("%q: app %q, gunicorn %q", q.Args, v.WSGIApp, theirs.App)
		}
		for name, value := range printed(t, &v) {
			if want, ok := theirs.Values[name]; ok && value != want && deliberate[name] == "" && Lookup(name).Kind != Hook {
				t.Errorf("%q, GUNICORN_CMD_ARGS=%q: %s is %s, gunicorn %s", q.Args, *q.EnvArgs, name, value, want)
			}
		}
	}
	if succeeded < 30 {
		t.Errorf("only %d of %d command lines were good ones", succeeded, len(questions))
	}
}

// refusedLater reports an error for what is good in gunicorn and said to be
// refused, or found out by gunicorn only when it listens.
func refusedLater(err error) bool {
	var refused *RefusedError
	var value *ValueError
	return errors.As(err, &refused) ||
		errors.As(err, &value) && slices.Contains([]string{"bind", "worker_class", "raw_env", "workers", "statsd_host"}, value.Setting.Name)
}

func TestValuesOfTheConfigFileAreReadAsGunicornReadsThem(t *testing.T) {
	values := []string{
		"null", "true", "false", "0", "1", "-1", "3", "2.5", `""`, `"3"`, `"-3"`, `"0x10"`, `"017"`, `"1_0"`, `"x"`, `" x "`, `"true"`, `" False "`, `"yes"`,
		"[]", `["x"]`, `["x", "y"]`, "[1]", "{}", `{"a": "b"}`, `"127.0.0.1, 10.0.0.0/8"`, `"10.0.0.1/8"`, `"*"`, `"10.0.0.0/255.0.0.0"`, `"::/0"`,
		`"v1"`, `"AUTO"`, `"refuse"`, `"/"`, `"host:1"`, `"gthread"`,
	}
	var questions []question
	for _, s := range All {
		if s.Origin != Gunicorn || s.Kind == Hook || s.Status == Later || s.Name == "config" || s.Name == "chdir" || s.Name == "reload_extra_files" {
			continue
		}
		for _, value := range values {
			questions = append(questions, question{Name: s.Name, Value: json.RawMessage(value)})
		}
	}
	for i, theirs := range ask(t, questions) {
		q := questions[i]
		cmd, err := ParseCommand(nil, homeEnv)
		if err != nil {
			t.Fatal(err)
		}
		v, err := cmd.Finish(&File{Path: "gunicorn.conf.py", Values: map[string]json.RawMessage{q.Name: q.Value}})
		if s := Lookup(q.Name); (err == nil) != (theirs.Error == nil) && otherwise(s, string(q.Value)) == "" {
			complaint := "none"
			if theirs.Error != nil {
				complaint = *theirs.Error
			}
			t.Errorf("%s = %s: error %v, gunicorn %s", q.Name, q.Value, err, complaint)
		}
		if err != nil {
			if exitOf(err) != 1 || !strings.HasPrefix(err.Error(), "Invalid value for "+q.Name+": ") {
				t.Errorf("%s = %s: status %d, %v", q.Name, q.Value, exitOf(err), err)
			}
			continue
		}
		if got := printed(t, &v)[q.Name]; theirs.Error == nil && got != theirs.Text && deliberate[q.Name] == "" && otherwise(Lookup(q.Name), string(q.Value)) == "" {
			t.Errorf("%s = %s: shown as %s, in gunicorn as %s", q.Name, q.Value, got, theirs.Text)
		}
	}
}

// otherwise says why a value of the config file is not read as in gunicorn.
func otherwise(s *Setting, value string) string {
	switch {
	case s.Kind == Seconds && value == "2.5":
		return "seconds may have a fraction"
	case slices.Contains([]string{"bind", "worker_class", "raw_env"}, s.Name):
		return "gunicorn finds the mistake later, when it starts"
	case s.Name == "workers" && (value == "0" || value == "false"):
		return "without workers nothing is served"
	case s.Name == "user" || s.Name == "group":
		return "they are looked up when the server becomes them"
	case s.Kind == Octal && value == `"017"`:
		return "it is as octal as on the command line"
	case value == "null" && (s.Kind == Bool || s.Blank || s.Choices != nil):
		return "it is shown as what it means"
	case s.Kind == IPs && strings.Contains(value, "/255."):
		return "a mask is shown by its length"
	case s.Kind == List && value == `{"a": "b"}`:
		return "the keys of a dictionary are no list"
	case s.Name == "statsd_host":
		return "a host with a blank or a slash is a mistake"
	case s.Name == "reload_engine":
		return "it has no effect"
	}
	return ""
}

func TestVariablesAreSplitAsGunicornSplitsThem(t *testing.T) {
	random := rand.New(rand.NewPCG(27, 2))
	var questions []question
	for range 2000 {
		text := ""
		for range random.IntN(12) {
			text += string(`ab -='"\ #$`[random.IntN(11)])
		}
		questions = append(questions, question{Split: &text})
	}
	for i, theirs := range ask(t, questions) {
		words, err := SplitWords(*questions[i].Split)
		if (err != nil) != (theirs.Error != nil) || err == nil && fmt.Sprintf("%q", words) != fmt.Sprintf("%q", theirs.Words) {
			t.Errorf("%q: %q, %v; gunicorn %q", *questions[i].Split, words, err, theirs.Words)
		}
	}
}
