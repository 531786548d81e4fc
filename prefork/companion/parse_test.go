package companion

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func parseText(text string) ([]Program, error) {
	return Parse([]byte(text), Context{
		Env: []string{"PATH=/usr/bin:/bin", "HOME=/root"}, Directory: "/srv", Bin: "/venv/bin", UID: os.Geteuid(),
		Split: func(text string) ([]string, error) { return strings.Fields(text), nil },
	})
}

func TestMistakesNameProgramKeyAndFix(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`:                                  `it must be a dictionary of programs`,
		`{"w": 1}`:                            `w: it must be a command or a dictionary`,
		`{"w": {}}`:                           `w: the key command is missing`,
		`{"w": {"command": ""}}`:              `w: command: it is empty`,
		`{"a b": "x"}`:                        `a b: ' ' in the name`,
		`{"w": {"command": "x", "cmd": "y"}}`: `w: there is no key "cmd"; the keys are after,`,
		`{"w": {"command": "x", "startsecs": "soon"}}`:                               `w: startsecs: "soon" is no time: write seconds, or a number with s, m, h or d`,
		`{"w": {"command": "x", "startsecs": -1}}`:                                   `w: startsecs: "-1" is no time`,
		`{"w": {"command": "x", "max_memory": "1E9"}}`:                               `w: max_memory: "1E9" is no size`,
		`{"w": {"command": "x", "stopsignal": "FOO"}}`:                               `w: stopsignal: there is no signal "FOO"`,
		`{"w": {"command": "x", "stop": [["TERM"]]}}`:                                `w: stop: each step is a signal and seconds`,
		`{"w": {"command": "x", "stop": [["TERM", 1]], "stopwaitsecs": 3}}`:          `stop: it takes the place of stopsignal and stopwaitsecs`,
		`{"w": {"command": "x", "autorestart": "sometimes"}}`:                        `w: autorestart: it must be always, unexpected or never`,
		`{"w": {"command": "x", "exitcodes": [300]}}`:                                `w: exitcodes: it must be a list of exit codes`,
		`{"w": {"command": "x", "umask": "999"}}`:                                    `w: umask: it must be an octal number`,
		`{"w": {"command": "x", "limits": {"files": 3}}}`:                            `w: limits: there is no limit "files"`,
		`{"w": {"command": "x", "limits": {"nofile": [5, 3]}}}`:                      `nofile: it must be a number, -1 for no limit, or [soft, hard]`,
		`{"w": {"command": "x", "user": "no-such-user"}}`:                            `w: user: there is no user "no-such-user"`,
		`{"w": {"command": "x", "after": "v"}}`:                                      `w: after: there is no program "v"`,
		`{"w": {"command": "x", "after": "v"}, "v": {"command": "x", "after": "w"}}`: `after: it waits for itself`,
		`{"w": {"command": "x", "after": "v"}, "v": {"command": "x", "every": 5}}`:   `after: v is a timer`,
		`{"w": {"command": "x", "ready": {}}}`:                                       `w: ready: name one of command, tcp, unix, http and notify`,
		`{"w": {"command": "x", "ready": {"tcp": "localhost"}}}`:                     `w: ready: tcp: address localhost: missing port`,
		`{"w": {"command": "x", "ready": {"http": "localhost"}}}`:                    `w: ready: http: write http://HOST:PORT/PATH`,
		`{"w": {"command": "x", "health": {"notify": true}}}`:                        `w: health: notify: a program says only once that it is ready`,
		`{"w": {"command": "x", "health": {"every": 5}}}`:                            `w: health: name one of`,
		`{"w": {"command": "x", "health": {"tcp": "a:1", "failures": 0}}}`:           `w: health: failures: it must be a whole number from 1`,
		`{"w": {"command": "x", "health": {"tcp": "a:1", "timeout": 0}}}`:            `w: health: timeout: it must be more than 0`,
		`{"w": {"command": "x", "ready": {"tcp": "a:1", "failures": 2}}}`:            `w: ready: there is no key "failures"; the keys are command, tcp, unix, http, notify, every, timeout`,
		`{"w": {"command": "x", "every": 5, "health": {"tcp": "a:1"}}}`:              `health: it is for programs that run all the time`,
		`{"w": {"command": "x", "oom_score_adj": 1001}}`:                             `w: oom_score_adj: it must be a whole number from -1000 to 1000`,
		`{"w": {"command": "x", "logfile_maxbytes": "1M"}}`:                          `logfile_maxbytes, logfile_backups: they are for a program with logfile`,
		`{"w": {"command": "x", "singleton": true, "count": 2}}`:                     `w: singleton: a program of which there is one has count 1`,
		`{"w": {"command": "x", "every": "* * *"}}`:                                  `w: every: "* * *" is neither a time`,
		`{"w": {"command": "x", "every": 0}}`:                                        `w: every: it must be 1s or more`,
		`{"w": {"command": "x", "every": 5, "ready": {"notify": true}}}`:             `ready: it is for programs that run all the time`,
		`{"w": {"command": "x", "jitter": 5}}`:                                       `these are for a program with every`,
		`{"w": {"command": "x", "env_files": "/no/such/file"}}`:                      `w: env_files: open /no/such/file`,
		`{"w": {"command": "x", "environment": {"A": ["secret"]}}}`:                  `w: environment: A: it must be a text`,
		`{"w": {"command": ["x", 1]}}`:                                               `w: command: it must be a text or a list of texts`,
		`{"w": {"command": ["x"], "shell": true}}`:                                   `w: command: with shell it must be a text`,
	} {
		_, err := parseText(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the value is shown: %v", text, err)
		}
	}
}

func TestKeysBecomeAProgram(t *testing.T) {
	t.Parallel()
	all, err := parseText(`{"z": "x y", "a": {"command": "a; b", "shell": true, "stop": [["TERM", "1m"], ["SIGQUIT", 5]], "after": ["z"], "max_memory": "300M",
		"max_age": "1d", "reload": "HUP", "singleton": "/run/lock", "directory": "sub", "ready": {"http": "http://localhost/x", "timeout": 5}, "autorestart": false}}`)
	if err != nil {
		t.Fatal(err)
	}
	z, a := all[0], all[1] // those that are needed come first
	if z.Name != "z" || !slices.Equal(z.Args, []string{"x", "y"}) || z.Stop[0].Wait != 10*time.Second || !z.Essential || z.Restart != Always || z.Count != 1 {
		t.Errorf("z: %+v", z)
	}
	if !slices.Contains(z.Env, "PATH=/venv/bin:/usr/bin:/bin") || z.Directory != "/srv" {
		t.Errorf("z: %+v", z)
	}
	if a.Args[2] != "a; b" || len(a.Stop) != 2 || a.stopTime() != 65*time.Second || a.MaxMemory != 300<<20 || a.MaxAge != 24*time.Hour || a.OnReload != ReloadSignal ||
		a.Lock != "/run/lock" || a.Directory != "/srv/sub" || a.Ready.Timeout != 5*time.Second || a.Restart != Never {
		t.Errorf("a: %+v", a)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"a": "x"}`)
	f.Add(`{"a": {"command": ["x"], "stop": [["TERM", "1m"]], "ready": {"tcp": "a:1"}, "every": "@daily", "limits": {"nofile": [1, 2]}, "umask": 23}}`)
	f.Add(`{"a": {"command": "x", "after": "b", "environment": {"A": 1}}, "b": {"command": "y", "max_memory": "1G", "exitcodes": [1], "singleton": true}}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseText(text)
		if err != nil {
			return
		}
		for _, p := range all {
			if len(p.Args) == 0 || len(p.Stop) == 0 || p.Count < 1 || p.Count > maxCount || p.stopTime() < 0 || p.Name == "" || p.StartTime < 0 {
				t.Fatalf("%s: %+v", text, p)
			}
			if p.Timer != nil && p.Timer.after(time.Now(), time.Now()).Before(time.Now().Add(-time.Second)) {
				t.Fatalf("%s: a timer of the past: %+v", text, p.Timer)
			}
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n# x\nexport B='2'\nC=\"a=b\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseEnvFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for name, value := range values {
			if !variable(name) || strings.IndexByte(value, 0) >= 0 {
				t.Fatalf("%q=%q", name, value)
			}
		}
	})
}
