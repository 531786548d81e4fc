package control

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// played is a master that notes what it is told.
type played struct{ told []string }

func (p *played) Workers() ([]Worker, error) { return []Worker{{PID: 7, Age: 1, Booted: true}}, nil }
func (p *played) Config() (map[string]any, error) {
	return map[string]any{"bind": []string{"<:8000>"}}, nil
}
func (p *played) Stats() (Stats, error) { return Stats{PID: 5}, nil }
func (p *played) Listeners() ([]Listener, error) {
	return nil, errors.New("the server is shutting down")
}
func (p *played) Resize(by int) (before, after int, err error) {
	return 3, max(3+by, 1), nil
}
func (p *played) Retire(pid int) (bool, error) { return pid == 7, nil }
func (p *played) Reload() error                { p.told = append(p.told, "reload"); return nil }
func (p *played) Reopen() error                { p.told = append(p.told, "reopen"); return nil }
func (*played) Settings() ([]Setting, error) {
	return []Setting{{"bind", ":8000", "--bind"}, {"workers", "2", "default"}}, nil
}

func (*played) Logs(since uint64, n int, latest bool) (any, error) {
	return []string{fmt.Sprint(since, n, latest)}, nil
}

func (*played) Stacks(pid int) (string, error) {
	if pid != 7 {
		return "", errors.New("there is no worker with that pid")
	}
	return "File view.py, line 3", nil
}
func (p *played) Upgrade() error { p.told = append(p.told, "upgrade"); return nil }

func (*played) Status() (any, error) { return map[string]int{"pid": 7}, nil }

func (p *played) Shutdown(quick bool) error {
	p.told = append(p.told, map[bool]string{true: "quick", false: "graceful"}[quick])
	return nil
}

func (p *played) Companions() ([]Companion, error) {
	return []Companion{{Name: "beat", Program: "beat", State: "RUNNING", Healthy: true, PID: 9}, {Name: "worker:0", Program: "worker", State: "FATAL"}}, nil
}
func (p *played) StartCompanion(name string) error   { return p.companion("start", name) }
func (p *played) StopCompanion(name string) error    { return p.companion("stop", name) }
func (p *played) RestartCompanion(name string) error { return p.companion("restart", name) }
func (p *played) SignalCompanion(name, signal string) error {
	return p.companion("signal "+signal, name)
}

func (p *played) companion(verb, name string) error {
	p.told = append(p.told, verb+" "+name)
	if name == "nobody" {
		return errors.New("there is no such companion: nobody")
	}
	return nil
}

// serve starts a server for the played master.
func serve(t *testing.T, m Master) (path string, s *Server) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "c")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s = NewServer(ln, m, true, func(text string) { t.Log(text) })
	go s.Serve()
	t.Cleanup(s.Close)
	return path, s
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(path, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCommands(t *testing.T) {
	m := &played{}
	path, _ := serve(t, m)
	c := dial(t, path)
	for _, test := range []struct{ command, want string }{
		{"show workers", `{"workers":[{"pid":7,"age":1,"booted":true,"aborted":false,"last_heartbeat":null,"state":"","overflow":false,"threads":0,"requests":0,"uptime":0,"rss":0}],"count":1}`},
		{"SHOW Config", `{"bind":["<:8000>"]}`},
		{"show dirty", `{"enabled":false,"pid":null,"workers":[],"apps":[]}`},
		{"worker add", `{"added":1,"previous":3,"total":4}`},
		{"worker add 2", `{"added":2,"previous":3,"total":5}`},
		{"worker remove 9", `{"removed":2,"previous":3,"total":1}`},
		{"companions worker", `{"companions":[{"name":"worker:0","program":"worker","state":"FATAL","healthy":false,"pid":0,"uptime":0,"restarts":0,"last_exit":"","note":"","next":""}],"count":1,"healthy":false}`},
		{"companion restart beat", `{"companions":[{"name":"beat","program":"beat","state":"RUNNING","healthy":true,"pid":9,"uptime":0,"restarts":0,"last_exit":"","note":"","next":""}],"count":1,"healthy":true}`},
		{"companion stop nobody", `{"success":false,"error":"there is no such companion: nobody"}`},
		{"companion signal USR1 beat", `{"success":true}`},
		{"worker kill 7", `{"success":true,"killed":7}`},
		{"worker kill 8", `{"success":false,"error":"Worker 8 not found; show workers lists them"}`},
		{"reload", `{"status":"reloading"}`},
		{"reopen", `{"status":"reopening"}`},
		{"shutdown", `{"status":"shutting_down","mode":"graceful"}`},
		{"shutdown quick", `{"status":"shutting_down","mode":"quick"}`},
		// Errors.
		{"", "Empty command; try help"},
		{"stop", "Unknown command: stop; try help"},
		{"show", "show what? Say show all|workers|dirty|config|stats|listeners"},
		{"worker Eat", "Unknown command: worker Eat; say worker add|remove|kill"},
		{"worker add 0", "Invalid argument: 0; say how many, from 1 to 1000"},
		{"worker add 1 2", "Invalid argument: 1 2; say how many, from 1 to 1000"},
		{"worker add 1001", "Invalid argument: 1001; say how many, from 1 to 1000"},
		{"worker kill", "Invalid argument: say worker kill PID; show workers lists them"},
		{"worker kill -1", "Invalid argument: -1 is no process id; show workers lists them"},
		{"shutdown now", "Invalid argument: now; say shutdown graceful or shutdown quick"},
		{"show listeners", "the server is shutting down"},
	} {
		data, err := c.Do(test.command)
		got := string(data)
		if err != nil {
			if refused := (*CommandError)(nil); !errors.As(err, &refused) {
				t.Fatalf("%q: %v", test.command, err)
			}
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: got\n%s, want\n%s", test.command, got, test.want)
		}
	}
	if got := strings.Join(m.told, " "); got != "restart beat stop nobody signal USR1 beat reload reopen graceful quick" {
		t.Errorf("the master was told %q", got)
	}
}

func TestArgumentsMayBeApart(t *testing.T) {
	for _, test := range []struct{ request, want string }{
		{`{"id":"x","command":"worker add","args":[2]}`, `{"id":"x","status":"ok","data":{"added":2,"previous":3,"total":5}}`},
		{`{"command":"worker","args":["add","2"],"more":{}}`, `{"id":0,"status":"ok","data":{"added":2,"previous":3,"total":5}}`},
		{`{"id":4,"command":"worker add","args":[[]]}`, `{"id":4,"status":"error","error":"argument [] is neither a text nor a number"}`},
	} {
		s := &Server{master: &played{}}
		if got := string(encode(s.answer([]byte(test.request)))); got != test.want {
			t.Errorf("%s: got %s, want %s", test.request, got, test.want)
		}
	}
}

func TestBrokenProtocolIsAnswered(t *testing.T) {
	path, _ := serve(t, &played{})
	for bytesSent, open := range map[string]bool{
		"GET / HTTP/1.1\r\n\r\n": false, "\x00\x01\x00\x01": false, // where the next message begins nobody knows
		"\x00\x00\x00\x02{]": true, "\x00\x00\x00\x05{}{} ": true,
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, bytesSent); err != nil {
			t.Fatal(err)
		}
		answer, err := readFrame(conn, MaxAnswer)
		if err != nil || !strings.Contains(string(answer), "not gunicorn's control protocol") {
			t.Errorf("%q: got %s, error %v", bytesSent, answer, err)
		}
		_ = writeFrame(conn, []byte(`{"command":"help"}`))
		if _, err := readFrame(conn, MaxAnswer); (err == nil) != open {
			t.Errorf("%q: the next command got %v", bytesSent, err)
		}
		_ = conn.Close()
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	path, _ := serve(t, &played{})
	for range maxConnections {
		if _, err := dial(t, path).Do("help"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, path).Do("help"); err == nil || !strings.Contains(err.Error(), "16 control connections already") {
		t.Errorf("one too many got %v", err)
	}
}

func TestCloseEndsIdleConnections(t *testing.T) {
	path, s := serve(t, &played{})
	c := dial(t, path)
	if _, err := c.Do("help"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := c.Do("help"); err == nil {
		t.Error("a closed server answers")
	}
	if _, err := Dial(path, time.Second); err == nil {
		t.Error("a closed server listens")
	}
}

func TestTooLargeAnswerIsAnError(t *testing.T) {
	got := string(encode(response{Status: statusOK, Data: strings.Repeat("x", MaxAnswer)}))
	if !strings.HasPrefix(got, `{"id":0,"status":"error","error":"the answer has `) {
		t.Errorf("got %.200s", got)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x22{\"id\":1,\"command\":\"show workers\"}"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		for {
			payload, err := readFrame(r, MaxRequest)
			if err != nil {
				if len(in) >= 4 && errors.Is(err, io.EOF) && r.Len() > 0 {
					t.Fatalf("an end before the end: %q", in)
				}
				return
			}
			if len(payload) > MaxRequest || len(payload) > len(in) {
				t.Fatalf("%d bytes out of %d", len(payload), len(in))
			}
			var again bytes.Buffer
			if writeFrame(&again, payload); int(binary.BigEndian.Uint32(again.Bytes())) != len(payload) {
				t.Fatal("a message does not survive")
			}
			if answer := encode((&Server{master: &played{}}).answer(payload)); !json.Valid(answer) {
				t.Fatalf("%q is answered by %q", payload, answer)
			}
		}
	})
}
