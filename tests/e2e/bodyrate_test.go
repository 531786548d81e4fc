package e2e

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// dripping is a body that comes at a rate: so many bytes each quarter of a second, so many times.
type dripping struct {
	bytes, times int
	pace         <-chan time.Time
}

func (b *dripping) Read(p []byte) (int, error) {
	if b.times == 0 {
		return 0, io.EOF
	}
	b.times--
	<-b.pace
	return copy(p, make([]byte, b.bytes)), nil
}

// Row 19: --min-body-rate cuts off a body that comes without a pause and yet too slowly, once it has had its 20 seconds, and leaves alone
// one that takes as long and comes faster.
func TestMinBodyRate(t *testing.T) {
	t.Parallel()
	s := startHTTPS(t, harness.Config{App: "echo:app", Args: []string{"-w", "1", "--http-bind", "127.0.0.1:0", "--min-body-rate", "10K", "--access-logfile", "-", "--access-logformat", "%(r)s %(s)s"}})
	plain := ""
	for _, addr := range s.Addrs {
		if addr != "https://"+s.Addr() {
			plain = addr
		}
	}
	encrypted := &http.Client{Transport: &http.Transport{TLSClientConfig: s.client.Clone()}, Timeout: 2 * harness.StartBudget}
	second := s.second(t)
	second.Timeout = encrypted.Timeout
	const quarters = 23 * 4 // three seconds more than the grace
	var all sync.WaitGroup
	for _, c := range []struct {
		name, url string
		client    *http.Client
		major     int
	}{{"HTTP/1.1", plain, encrypted, 1}, {"TLS", s.URL("/"), encrypted, 1}, {"HTTP/2", s.URL("/"), second, 2}} {
		for bytes, status := range map[int]int{250: 408, 10 << 10: 200} { // 1 and 40 KiB a second
			all.Go(func() {
				r, err := c.client.Post(c.url, "text/plain", &dripping{bytes, quarters, time.Tick(250 * time.Millisecond)})
				if err != nil {
					t.Errorf("%s, %d bytes a time: %v", c.name, bytes, err)
					return
				}
				defer r.Body.Close()
				if r.StatusCode != status || r.ProtoMajor != c.major {
					t.Errorf("%s, %d bytes a time: %s %s, want %d", c.name, bytes, r.Proto, r.Status, status)
				}
			})
		}
	}
	all.Wait()
}
