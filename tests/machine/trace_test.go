package machine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// A trace passes through: the application gets traceparent and tracestate as they came, the access log names the trace, and nothing is made
// up where there is none, which would take the decision to sample away from the application.
func TestTraceAndRequestIDPassThrough(t *testing.T) {
	t.Parallel()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, test := range []struct {
		args []string
		want func(line string) (traceID, requestID any)
	}{
		{[]string{"--log-format", "json"}, func(line string) (any, any) {
			var o map[string]any
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			return o["trace_id"], o["request_id"]
		}},
		{[]string{"--access-logformat", "%(U)s %({trace_id}x)s %({request_id}x)s %({traceparent}i)s"}, func(line string) (any, any) {
			words := strings.Fields(line)
			if words[1] == trace && words[3] != parent {
				t.Errorf("%s: the field itself is not logged", line)
			}
			if words[1] == "-" {
				return nil, words[2]
			}
			return words[1], words[2]
		}},
	} {
		s := harness.Start(t, harness.Config{App: "echo:app", Args: append([]string{"-w", "1", "--access-logfile", "-"}, test.args...)})
		for path, fields := range map[string][]string{
			"/traced":    {"traceparent", parent, "tracestate", "vendor=1", "X-Request-ID", "abc"},
			"/malformed": {"traceparent", "00-x-y-z", "X-Request-ID", "abc"},
			"/none":      {"X-Request-ID", "abc"},
		} {
			echo := s.WantEcho(t, s.Request("GET", path, "", fields...))
			want := map[string]string{"HTTP_X_REQUEST_ID": "abc"}
			for i := 0; i < len(fields); i += 2 {
				want["HTTP_"+strings.ToUpper(strings.ReplaceAll(fields[i], "-", "_"))] = fields[i+1]
			}
			for _, name := range []string{"HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_X_REQUEST_ID"} {
				if value, ok := echo.Environ[name]; ok != (want[name] != "") || ok && value.Value != want[name] {
					t.Errorf("%s: the application gets %s %v", path, name, value.Value)
				}
			}
			traceID, requestID := test.want(s.Out.Wait(t, 0, path, harness.EventBudget))
			if (path == "/traced") != (traceID == trace) || path != "/traced" && traceID != nil || requestID != "abc" {
				t.Errorf("%s is logged as of trace %v, request %v", path, traceID, requestID)
			}
		}
	}
}
