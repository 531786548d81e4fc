package pyworker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/wire"
)

func TestWorkersServe(t *testing.T) {
	for _, preload := range []bool{false, true} {
		for _, threads := range []int{1, 4} {
			t.Run(fmt.Sprintf("preload=%v threads=%d", preload, threads), func(t *testing.T) {
				m := spawn(t, boot{app: "apps", preload: preload})
				hello := m.control.next(t, wire.KindHello)
				if !strings.HasPrefix(string(hello.payload), "3.") || hello.Aux != wire.Version {
					t.Errorf("HELLO of version %d with %q; want version %d and the version of Python", hello.Aux, hello.payload, wire.Version)
				}
				m.control.next(t, wire.KindLoaded)
				w := m.start(t, 7, threads)
				m.request(t, "/hello")
				replies := make(chan string, threads)
				for _, stream := range w.streams {
					go func() {
						if _, body, err := answer(stream); err == nil {
							replies <- body
						}
					}()
				}
				if got, want := <-replies, fmt.Sprintf("hello from %d", w.pid); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if err := w.control.Send(wire.Header{Kind: wire.KindStop}, nil); err != nil {
					t.Fatal(err)
				}
				w.control.next(t, wire.KindRetiring)
				if status := m.exitStatus(t, w); !status.Exited() || status.ExitStatus() != 0 {
					t.Errorf("worker ended with %#x, want exit code 0", status)
				}
				if err := m.control.Send(wire.Header{Kind: wire.KindExit}, nil); err != nil {
					t.Fatal(err)
				}
				if code := m.waitExit(t); code != 0 {
					t.Errorf("zygote ended with %d, want 0", code)
				}
			})
		}
	}
}

func TestFailedLoadNamesItsReason(t *testing.T) {
	tests := []struct {
		app  string
		code int
		want []string
	}{
		{"no_such_module", 3, []string{"Failed to load the application: ModuleNotFoundError: No module named 'no_such_module'"}},
		{"raises", 3, []string{"No module named 'no_such_module_at_all'\n", "Traceback", "raises.py\", line 3", "import no_such_module_at_all"}},
		{"apps:nothing", 4, []string{"Failed to find attribute 'nothing' in 'apps'."}},
		{"apps:not_callable", 4, []string{"Application object must be callable."}},
		{"apps:factory(", 4, []string{"Failed to parse 'factory(' as an attribute name or function call."}},
	}
	for _, test := range tests {
		for _, preload := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s preload=%v", test.app, preload), func(t *testing.T) {
				m := spawn(t, boot{app: test.app, preload: preload})
				var failed packet
				if preload {
					failed = m.control.next(t, wire.KindBootFailed)
					test.code = 1 // 3 and 4 are of workers
					if code := m.waitExit(t); code != test.code {
						t.Errorf("zygote ended with %d, want %d", code, test.code)
					}
				} else {
					m.control.next(t, wire.KindLoaded)
					w := m.fork(t, 1, 1)
					failed = w.control.next(t, wire.KindBootFailed)
					if status := m.exitStatus(t, w); status.ExitStatus() != test.code {
						t.Errorf("worker ended with %#x, want exit code %d", status, test.code)
					}
				}
				if int(failed.Aux) != test.code {
					t.Errorf("BOOT_FAILED says exit code %d, want %d", failed.Aux, test.code)
				}
				for _, want := range test.want {
					if !strings.Contains(string(failed.payload), want) {
						t.Errorf("BOOT_FAILED says:\n%s\nwant %q in it", failed.payload, want)
					}
				}
			})
		}
	}
}
