package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// dashboard asks the dashboard on a unix socket and returns status and answer.
func dashboard(t *testing.T, socket, token, method, path, body string) (int, map[string]any) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}, DisableKeepAlives: true}
	request, err := http.NewRequest(method, "http://localhost/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("X-Gounicorn-Dashboard", "1")
	request.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Transport: transport, Timeout: harness.EventBudget}).Do(request)
	if err != nil {
		t.Logf("%s %s: %v", method, path, err)
		return 0, nil
	}
	defer answer.Body.Close()
	var said map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		t.Errorf("%s %s: %s: %v", method, path, answer.Status, err)
	}
	return answer.StatusCode, said
}

func TestDashboardSeesAReloadAndMovesToTheNextMaster(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	socket, file := filepath.Join(dir, "d.sock"), filepath.Join(dir, "token")
	s := start(t, "faults:app", "-w", "1", "--umask", "0077", "--dashboard-bind", "unix:"+socket, "--dashboard-token-file", file)
	s.Log.Wait(t, 0, "Dashboard at: unix:"+socket+", with the token in "+file, harness.EventBudget)
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the socket has the mode %v, %v", st.Mode(), err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(content))
	seen := func(what string, right func(d map[string]any) bool) {
		t.Helper()
		var d map[string]any
		harness.Eventually(t, harness.StartBudget, what, func() bool {
			var status int
			status, d = dashboard(t, socket, token, "GET", "status", "")
			return status == http.StatusOK && right(d)
		})
	}
	s.WantGet(t, "/pid", 200)
	if status, said := dashboard(t, socket, token, "POST", "scale", `{"by": 1}`); status != 200 || said["after"] != 2.0 {
		t.Errorf("scale: %d, %v", status, said)
	}
	seen("a worker more", func(d map[string]any) bool { return d["workers_wanted"] == 2.0 && len(d["workers"].([]any)) == 2 })
	workerCount(t, s, 2)
	if status, said := dashboard(t, socket, token, "POST", "reload", ""); status != http.StatusAccepted {
		t.Errorf("reload: %d, %v", status, said)
	}
	seen("the next generation", func(d map[string]any) bool { return d["generation"] == 2.0 && d["reloads"] == 1.0 })
	from := s.Log.Len()
	s.Signal(syscall.SIGUSR2)
	s.Log.Wait(t, from, "The dashboard follows when the old master has gone.", harness.StartBudget)
	if code := s.Stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.Log.Wait(t, from, "Master has been promoted.", harness.EventBudget)
	next := 0
	seen("another master, with the same token", func(d map[string]any) bool {
		next = int(d["pid"].(float64))
		return next != s.PID
	})
	if status, _ := dashboard(t, socket, token+"x", "GET", "status", ""); status != http.StatusUnauthorized {
		t.Errorf("with a wrong token: %d", status)
	}
	if err := syscall.Kill(next, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	s.WantNoOrphans(harness.StartBudget)
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestDashboardRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--dashboard-token-file " + short:           fmt.Sprintf("%s: the token has 6 characters", short),
		"--dashboard-token-file /nowhere/at/all":    "/nowhere/at/all",
		"--log-level warning":                       "nobody would see the token of the dashboard with --log-level warning; name a file for it with --dashboard-token-file",
		"--dashboard-hosts x --dashboard-bind fd:x": "--dashboard-bind",
	} {
		s := harness.Launch(t, harness.Config{App: "faults:app", Args: append([]string{"--dashboard-bind", "127.0.0.1:0"}, strings.Fields(args)...)})
		if code := s.Wait(harness.StartBudget); code != 1 {
			t.Errorf("%s: exit code %d", args, code)
		}
		s.Log.Wait(t, 0, want, harness.EventBudget)
	}
}
