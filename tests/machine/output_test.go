package machine

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
	"golang.org/x/sys/unix"
)

// dropped is what the metrics at addr say of records that the access log has lost.
func dropped(s *harness.Server, addr string) int {
	request, err := http.NewRequest(http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return -1
	}
	reply := s.Do(request)
	found := regexp.MustCompile(`(?m)^gounicorn_log_records_dropped_total\{log="access"\} (\S+)$`).FindStringSubmatch(reply.Body)
	if found == nil {
		return -1
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	return int(n)
}

// Check 13: whatever becomes of standard output or of the log file, requests are answered, and what the log has lost is counted.
func TestLogThatTakesNothingStopsNobody(t *testing.T) {
	t.Parallel()
	need(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDWR, 0) // who never reads
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	full := t.TempDir()
	for name, test := range map[string]struct{ lines, log string }{
		"closed":         {"exec 1>&-", "-"},
		"blocked pipe":   {"exec 1>'" + fifo + "'", "-"},
		"full disk":      {ownProc + "\nmount -t tmpfs -o size=64k none '" + full + "'", full + "/access.log"},
		"full, a stream": {"exec 1>/dev/full", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics := harness.FreePort(t)
			var spaces uintptr
			if strings.HasPrefix(test.lines, ownProc) {
				spaces = newNamespaces
			}
			s := harness.Start(t, harness.Config{
				App: "hello:app", Binary: launcher(t, test.lines), Namespaces: spaces,
				Args: []string{"-w", "1", "--access-logfile", test.log, "--metrics-bind", metrics},
			})
			const requests = 600 // each line has 4 KB, and the buffer of a log is a MiB
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() {
				line := fmt.Sprintf("GET /?%s HTTP/1.1\r\nHost: test\r\n\r\n", strings.Repeat("x", 4000))
				for range requests {
					if _, err := conn.Write([]byte(line)); err != nil {
						return
					}
				}
			}()
			answers, read := bufio.NewScanner(conn), 0
			for read < requests && answers.Scan() {
				if strings.HasPrefix(answers.Text(), "HTTP/1.1 200") {
					read++
				}
			}
			if read != requests {
				t.Fatalf("%d requests of %d were answered: %v", read, requests, answers.Err())
			}
			if name == "closed" { // the runtime has put /dev/null there, which takes all
				return
			}
			harness.Eventually(t, harness.EventBudget, "what is lost is counted", func() bool { return dropped(s, metrics) > 0 })
			if code := s.Stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
