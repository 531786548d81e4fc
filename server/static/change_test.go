package static_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/static"
	"github.com/gounicorn/gounicorn/tests/harness"
	"github.com/gounicorn/gounicorn/tests/httpcases"
)

// soon is how long remembered files are served without a look in these tests.
const soon = 20 * time.Millisecond

// until asks until the answer is what it is waited for.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	harness.Eventually(t, budget, what, holds)
}

func TestChangesAreNoticed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.css": "old", "gone.css": "gone", "sized.css": sequence("plain", 300)})
	live := under("/live/", dir)
	live.Live = true
	s := serve(t, static.Config{Roots: []static.Root{under("/s/", dir), live}, Recheck: soon})
	c := s.dial(t)
	for _, name := range []string{"a", "gone", "sized"} {
		c.want(200, "", "GET", "/s/"+name+".css")
		c.want(200, "", "GET", "/live/"+name+".css", "Accept-Encoding: gzip")
	}
	c.want(404, "", "GET", "/s/new.css")
	c.want(404, "", "GET", "/live/new.css")
	// In place, with the same size and time: the change of the inode tells.
	write(t, dir, map[string]string{"a.css": "new", "new.css": "new", "sized.css.gz": sequence("gz", 100)})
	if err := os.Remove(filepath.Join(dir, "gone.css")); err != nil {
		t.Fatal(err)
	}
	// Where the disk is asked for every request, everything is there at once.
	c.want(200, "new", "GET", "/live/a.css")
	c.want(200, "new", "GET", "/live/new.css")
	c.want(404, "", "GET", "/live/gone.css")
	c.want(200, sequence("gz", 100), "GET", "/live/sized.css", "Accept-Encoding: gzip")
	until(t, "new content", func() bool { return string(c.ask("GET", "/s/a.css").Body) == "new" })
	until(t, "a new file", func() bool { return c.ask("GET", "/s/new.css").Status == 200 })
	until(t, "a file gone", func() bool { return c.ask("GET", "/s/gone.css").Status == 404 })
	until(t, "a new sibling", func() bool { return len(c.ask("GET", "/s/sized.css", "Accept-Encoding: gzip").Body) == 100 })
	// A large file, which is opened for every request, is never of two kinds.
	write(t, dir, map[string]string{"large.js": strings.Repeat("1", 300_000)})
	c.want(200, strings.Repeat("1", 300_000), "GET", "/s/large.js")
	write(t, dir, map[string]string{"large.js": strings.Repeat("2", 200_000)})
	c.want(200, strings.Repeat("2", 200_000), "GET", "/s/large.js")
	// Update forgets at once.
	f := static.Config{Roots: []static.Root{under("/s/", dir)}, Recheck: time.Hour}
	if err := s.files.Update(f); err != nil {
		t.Fatal(err)
	}
	c.want(200, "new", "GET", "/s/a.css")
	c.want(404, "", "GET", "/s/later.css")
	write(t, dir, map[string]string{"a.css": "newest", "later.css": "later"})
	c.want(200, "new", "GET", "/s/a.css")
	if err := s.files.Update(f); err != nil {
		t.Fatal(err)
	}
	c.want(200, "newest", "GET", "/s/a.css")
	c.want(200, "later", "GET", "/s/later.css")
}

// swap points a link elsewhere in one step.
func swap(t *testing.T, link, to string) {
	t.Helper()
	if err := os.Symlink(to, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// TestSwapUnderLoad deploys by swapping a link while clients ask: every answer is of one release, none fails, and the hashed names of the
// release before are still there.
func TestSwapUnderLoad(t *testing.T) {
	base := t.TempDir()
	const releases = 6
	hashed := func(i int) string { return fmt.Sprintf("app.%012d.js", i) }
	for i := range releases {
		digit := fmt.Sprint(i)
		write(t, base, map[string]string{
			"r" + digit + "/small.css": strings.Repeat(digit, 5000), "r" + digit + "/small.css.gz": strings.Repeat(digit, 500), "r" + digit + "/large.bin": strings.Repeat(digit, 300_000),
			"r" + digit + "/" + hashed(i): digit,
		})
	}
	current := filepath.Join(base, "current")
	swap(t, current, "r0")
	config := func(i int) static.Config {
		r := under("/s/", current)
		r.Immutable = []string{hashed(i)}
		return static.Config{Roots: []static.Root{r}, Recheck: soon}
	}
	s := serve(t, config(0))
	var done atomic.Bool
	var asked atomic.Int64
	var clients sync.WaitGroup
	for i, target := range []string{"/s/small.css", "/s/large.bin", "/s/small.css", "/s/small.css"} {
		c := s.dial(t)
		clients.Add(1)
		go func() {
			defer clients.Done()
			for !done.Load() {
				a := load(c, target, i)
				if a == nil || a.Status != 200 || len(a.Body) == 0 || len(bytes.Trim(a.Body, string(a.Body[:1]))) > 0 {
					t.Errorf("%s: %+v", target, a)
					return
				}
				asked.Add(1)
			}
		}()
	}
	c := s.dial(t)
	for i := 1; i < releases; i++ {
		before := asked.Load()
		swap(t, current, fmt.Sprintf("r%d", i))
		if i%2 == 0 { // with and without being told
			if err := s.files.Update(config(i)); err != nil {
				t.Fatal(err)
			}
			c.want(200, strings.Repeat(fmt.Sprint(i), 5000), "GET", "/s/small.css")
			c.want(200, fmt.Sprint(i-2), "GET", "/s/"+hashed(i-2))
		}
		until(t, "the new release", func() bool { return c.ask("GET", "/s/small.css").Body[0] == byte('0'+i) })
		until(t, "load", func() bool { return asked.Load() > before+8 })
		if i%2 == 1 {
			a := c.want(200, fmt.Sprint(i-1), "GET", "/s/"+hashed(i-1))
			if !strings.Contains(field(t, a, "cache-control"), "immutable") {
				t.Errorf("release %d: %s", i, names(a))
			}
		}
	}
	done.Store(true)
	clients.Wait()
	for range 5 { // a reload without a deploy forgets nothing
		if err := s.files.Update(config(releases - 1)); err != nil {
			t.Fatal(err)
		}
	}
	c.want(200, fmt.Sprint(releases-2), "GET", "/s/"+hashed(releases-2))
	c.want(404, "", "GET", "/s/"+hashed(0)) // but there is an end
	// Between the two steps of a careless swap everything is still there.
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	w := browser("/s/small.css")
	w.req.Received = time.Now().Add(2 * soon)
	if !s.files.Respond(w) || w.status != 200 {
		t.Errorf("without the link: %d", w.status)
	}
	swap(t, current, "r1")
	until(t, "the release of afterwards", func() bool { return c.ask("GET", "/s/small.css").Body[0] == '1' })
}

// load is ask without Fatal, for goroutines.
func load(c *client, target string, i int) *httpcases.Answer {
	accept := []string{"identity", "identity", "identity", "gzip"}[i]
	if _, err := fmt.Fprintf(c.nc, "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", target, accept); err != nil {
		return nil
	}
	a, err := httpcases.ReadAnswer(c.br, false)
	if err != nil {
		return nil
	}
	return a
}

// TestFilesThatChangeWhileTheyAreSent: one that is truncated breaks the connection, one that grows or is replaced sends what was promised.
func TestFilesThatChangeWhileTheyAreSent(t *testing.T) {
	const size = 32 << 20 // more than sockets hold
	dir := t.TempDir()
	s := serve(t, static.Config{Roots: []static.Root{under("/s/", dir)}})
	for _, k := range []struct {
		name   string
		change func(name string) error
		broken bool
	}{
		{"truncated", func(name string) error { return os.Truncate(name, 1000) }, true},
		{"grown", func(name string) error { return os.Truncate(name, size+1<<20) }, false},
		{"replaced", func(name string) error {
			return errors.Join(os.WriteFile(name+".new", []byte("other"), 0o644), os.Rename(name+".new", name))
		}, false},
		{"removed", os.Remove, false},
	} {
		name := filepath.Join(dir, k.name)
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, size)); err != nil {
			t.Fatal(err)
		}
		c := s.dial(t)
		if _, err := io.WriteString(c.nc, "GET /s/"+k.name+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(c.br, nil)
		if err != nil || r.ContentLength != size {
			t.Fatalf("%s: %v, %v", k.name, r, err)
		}
		if err := k.change(name); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if k.broken && (err == nil || n >= size) || !k.broken && (err != nil || n != size) {
			t.Errorf("%s: %d bytes, %v", k.name, n, err)
		}
		if !k.broken { // and the connection goes on
			c.want(404, "", "GET", "/s/absent")
		}
	}
}

// TestFileThatIsBeingWritten asks for a file that somebody appends to all the time: every answer is a beginning of it.
func TestFileThatIsBeingWritten(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var done atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; !done.Load() && i < 100_000; i++ {
			if _, err := f.WriteString("x"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	r := under("/s/", dir)
	r.Live = true
	c := serve(t, static.Config{Roots: []static.Root{r}}).dial(t)
	last := 0
	for range 300 {
		a := c.want(200, "", "GET", "/s/log")
		if n := len(a.Body); n < last || strings.Trim(string(a.Body), "x") != "" {
			t.Fatalf("%d bytes after %d", n, last)
		} else {
			last = n
		}
	}
	done.Store(true)
	writer.Wait()
}

// Over TLS and HTTP/2 a file that is truncated breaks the answer off too: what is missing is never made up.
func TestTruncatedWithoutSendfile(t *testing.T) {
	const size = 32 << 20
	dir := t.TempDir()
	s := serve(t, static.Config{Roots: []static.Root{under("/s/", dir)}})
	for name, c := range map[string]*client{"tls": s.dialTLS(t), "http2": s.dialHTTP2(t)} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, size)); err != nil {
			t.Fatal(err)
		}
		var r *http.Response
		var err error
		if c.http2 != nil {
			r, err = c.http2.Get(c.base + "/s/" + name)
		} else if _, err = io.WriteString(c.nc, "GET /s/"+name+" HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
			r, err = http.ReadResponse(c.br, nil)
		}
		if err != nil || r.ContentLength != size {
			t.Fatalf("%s: %v, %v", name, r, err)
		}
		if err := os.Truncate(file, 1000); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if err == nil || n >= size {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

// A swapped directory makes forget what is remembered, however long it would have been.
func TestSwapForgets(t *testing.T) {
	base := t.TempDir()
	write(t, base, map[string]string{"r1/a.css": "1", "r2/a.css": "22", "r2/b.css": "22"})
	current := filepath.Join(base, "current")
	swap(t, current, "r1")
	late := filepath.Join(base, "late")
	r := under("/s/", current)
	r.Dirs = append([]static.Dir{{Path: late}}, r.Dirs...)
	files, err := static.New(static.Config{Roots: []static.Root{r}, Recheck: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a, b := browser("/s/a.css"), browser("/s/b.css")
	want := func(status, bodyOfA, statusOfB int) {
		t.Helper()
		if !files.Respond(a) || !files.Respond(b) || a.status != status || a.body != bodyOfA || b.status != statusOfB {
			t.Errorf("got %d with %d bytes and %d", a.status, a.body, b.status)
		}
	}
	later := func() {
		for _, w := range []*wire{a, b} {
			w.req.Received = w.req.Received.Add(6*time.Minute + time.Second) // a tenth of Recheck
		}
	}
	want(200, 1, 404)
	swap(t, current, "r2")
	want(200, 1, 404)
	later()
	want(200, 2, 200)
	// And so does one that was missing.
	write(t, late, map[string]string{"a.css": "333"})
	want(200, 2, 200)
	later()
	want(200, 3, 200)
}

// TestMemoryIsBounded asks for more files than may be remembered, and for more bytes than may be in memory.
func TestMemoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("f%d", i)] = sequence(fmt.Sprint(i), 1000)
	}
	write(t, dir, files)
	s := serve(t, static.Config{Roots: []static.Root{under("/s/", dir)}, Memory: 10_000, Entries: 20})
	c := s.dial(t)
	for range 2 {
		for name, text := range files {
			c.want(200, text, "GET", "/s/"+name)
			c.want(404, "", "GET", "/s/"+name+".absent")
		}
	}
	entries, misses, memory := s.files.Remembered()
	if entries > 20 || misses > 20 || memory > 10_000 || entries < 5 || memory < 5000 {
		t.Errorf("%d files, %d misses and %d bytes are remembered", entries, misses, memory)
	}
}
