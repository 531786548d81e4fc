package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gounicorn/gounicorn/tests/harness"
)

// The same table for real frameworks: the bridge is good when none of them notices it.
func TestFrameworksWorkUnchanged(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"django", "flask", "pyramid"} {
		for _, args := range [][]string{{"-w", "2"}, {"-w", "1", "--threads", "3", "--preload"}} {
			t.Run(framework+strings.Join(args, ""), func(t *testing.T) {
				t.Parallel()
				s := start(t, framework+"_app:app", append(args, "--keep-alive", "30")...)
				frameworkPages(t, s)
				frameworkUpload(t, s)
				frameworkStream(t, s)
				frameworkError(t, s)
			})
		}
	}
}

func frameworkPages(t *testing.T, s *harness.Server) {
	home := s.WantGet(t, "/", 200)
	if !strings.Contains(home.Body, "<h1>café</h1>") || !strings.HasPrefix(home.Header.Get("Content-Type"), "text/html") {
		t.Errorf("home: got %q of type %q", home.Body, home.Header.Get("Content-Type"))
	}
	if head := s.Request("HEAD", "/", ""); head.Status != 200 || head.Body != "" || head.Header.Get("Content-Length") != home.Header.Get("Content-Length") {
		t.Errorf("HEAD: got %d %v", head.Status, head.Header)
	}
	s.WantGet(t, "/nowhere", 404)
	if reply := s.Get("/redirect"); reply.Status != 302 || !strings.HasSuffix(reply.Header.Get("Location"), "/") {
		t.Errorf("redirect: got %d to %q", reply.Status, reply.Header.Get("Location"))
	}
	if reply := s.Get("/no-content"); reply.Status != 204 || reply.Body != "" {
		t.Errorf("no content: got %d %q", reply.Status, reply.Body)
	}
	reply := s.Request("GET", "/cookies", "", "Cookie", "in=put; other=x")
	if set := reply.Header.Values("Set-Cookie"); len(set) != 2 || !strings.HasPrefix(set[0], "one=1") || !strings.HasPrefix(set[1], "two=put") {
		t.Errorf("cookies: got %q", set)
	}
	file := s.WantGet(t, "/file", 200)
	if file.Body != counted(300_000, 0) {
		t.Errorf("file: got %d bytes or other ones", len(file.Body))
	}
	for _, chunked := range []bool{false, true} {
		var got struct {
			Method, Word, Header, Body, URL string
			Query                           []string
		}
		request, err := http.NewRequest("POST", s.URL("/echo/caf%C3%A9?q=1&q=%C3%A4"), strings.NewReader("the body"))
		if err != nil {
			t.Fatal(err)
		}
		if chunked {
			request.ContentLength = -1
		}
		request.Header.Set("X-Test", "yes")
		reply := s.Do(request)
		if err := json.Unmarshal([]byte(reply.Body), &got); err != nil {
			t.Fatalf("echo: %v in %d %q", err, reply.Status, reply.Body)
		}
		if got.Body != "the body" && !(chunked && peer()) {
			t.Errorf("echo, chunked %v: the view read %q", chunked, got.Body)
		}
		if got.Method != "POST" || got.Word != "café" || got.Header != "yes" || !slices.Equal(got.Query, []string{"1", "ä"}) ||
			!strings.HasPrefix(got.URL, s.URL("/echo/caf")) {
			t.Errorf("echo: got %+v", got)
		}
	}
}

func frameworkUpload(t *testing.T, s *harness.Server) {
	content := body(4 << 20) // larger than any of them keeps in memory
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, err := writer.CreateFormFile("file", "pläne.pdf")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(content)
	writer.WriteField("note", "größe")
	writer.Close()
	reply := s.Request("POST", "/upload", form.String(), "Content-Type", writer.FormDataContentType())
	want := map[string]any{
		"name": "pläne.pdf", "size": float64(len(content)), "sha256": fmt.Sprintf("%x", sha256.Sum256(content)), "note": "größe",
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(reply.Body), &got); err != nil {
		t.Fatalf("upload: %v in %d %.300q", err, reply.Status, reply.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upload (-want +got):\n%s", diff)
	}
}

func frameworkStream(t *testing.T, s *harness.Server) {
	conn := s.DialFor(t)
	conn.Get("/stream")
	for n := range 3 {
		conn.ReadUntil(fmt.Sprintf("data: %d\n\n", n))
		s.Open(t, fmt.Sprintf("seen-framework-%d", n))
	}
	conn.ReadUntil("0\r\n\r\n")
}

func frameworkError(t *testing.T, s *harness.Server) {
	s.WantGet(t, "/error", 500)
	s.Log.Wait(t, 0, "RuntimeError: a view that fails on purpose", harness.EventBudget)
	waiting := s.Go("/gate/view")
	s.WaitMark(t, "entered-view", 1)
	s.WantGet(t, "/", 200)
	s.Open(t, "open-view")
	if reply := <-waiting; reply.Status != 200 || reply.Body != "passed" {
		t.Errorf("gate: got %d %q", reply.Status, reply.Body)
	}
}
