package dashboard

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math"
	"mime"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gounicorn/gounicorn/server/history"
	"golang.org/x/net/netutil"
)

const (
	maxConnections = 128
	maxHeader      = 16 << 10
	maxBody        = 4 << 10
	headTime       = 10 * time.Second // for a request
	writeTime      = 10 * time.Second // for an answer, or one message of a stream
	idleTime       = 2 * time.Minute
	retryTime      = "retry: 1000\n\n" // the page opens the stream anew after so many milliseconds
)

// Look returns what is shown, to be written as JSON, and the record in it, which belongs to whoever asked and may be cut. The error says
// that the server leaves.
type Look func() (document any, record *history.Record, err error)

// Config is what a Dashboard shows and does. Look, Reload and Scale are called concurrently.
type Config struct {
	Token    string   // see CheckToken
	Hosts    []string // names by which it may be asked, besides localhost and addresses
	ReadOnly bool     // there are no buttons, and nobody to press them
	Look     Look
	Reload   func() error                                // begins one
	Scale    func(by int) (before, after int, err error) // the number of workers; by is 1 or -1
	Log      func(text string)                           // is told who did what
	Failed   func(text string)                           // is told what nobody else can be told
}

// Dashboard is the handler of a dashboard. It may be called concurrently.
type Dashboard struct {
	handler  http.Handler
	config   Config
	token    string
	hosts    []string
	log      func(string)
	sessions sessions
	attempts attempts
	origin   http.CrossOriginProtection
	viewers  *viewers
}

//go:embed page
var files embed.FS

// types are those of the files of the page; what mime says depends on the machine.
var types = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// New returns a Dashboard.
func New(c Config) *Dashboard {
	d := &Dashboard{config: c, token: c.Token, log: c.Log, sessions: newSessions(c.Token), viewers: newViewers(c.Look)}
	for _, h := range c.Hosts {
		d.hosts = append(d.hosts, strings.ToLower(strings.TrimSuffix(strings.TrimSpace(h), ".")))
	}
	mux := http.NewServeMux()
	d.page(mux)
	mux.HandleFunc("GET /session", d.known(d.session))
	mux.HandleFunc("POST /session", d.act(d.logIn))
	mux.HandleFunc("DELETE /session", d.act(d.logOut))
	mux.HandleFunc("GET /status", d.known(d.status))
	mux.HandleFunc("GET /stream", d.known(d.stream))
	mux.HandleFunc("POST /reload", d.button(d.reload))
	mux.HandleFunc("POST /scale", d.button(d.scale))
	d.handler = d.guard(mux)
	return d
}

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// Serve serves on ln, for a bounded number of connections, until ctx ends, and closes ln. It returns nil when ctx ended it.
func (d *Dashboard) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: d, ReadHeaderTimeout: headTime, ReadTimeout: headTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(told(d.config.Failed), "dashboard: ", 0),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(netutil.LimitListener(ln, maxConnections))
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the dashboard: %w", err)
}

// told is where net/http writes what it cannot tell a client.
type told func(text string)

// Write implements io.Writer.
func (t told) Write(line []byte) (int, error) {
	t(strings.TrimSpace(string(line)))
	return len(line), nil
}

// page serves the files of the page, each by its name, which need no token: they are the same for all servers.
func (d *Dashboard) page(mux *http.ServeMux) {
	entries, _ := fs.ReadDir(files, "page")
	for _, e := range entries {
		name := e.Name()
		at := "GET /" + name
		if name == "index.html" {
			at = "GET /{$}"
		}
		content, _ := files.ReadFile("page/" + name)
		mux.HandleFunc(at, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", types[path.Ext(name)])
			_, _ = w.Write(content)
		})
	}
}

// about is what the page has to know before it looks.
type about struct {
	ReadOnly bool    `json:"read_only"`
	Ends     float64 `json:"ends"` // of the session, seconds since 1970
}

func (d *Dashboard) session(w http.ResponseWriter, _ *http.Request, until time.Time) {
	answer(w, http.StatusOK, about{d.config.ReadOnly, float64(until.Unix())})
}

// logIn exchanges the token for a session.
func (d *Dashboard) logIn(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Token string `json:"token"`
	}
	if !read(w, r, &asked) || !d.try(w, r, strings.TrimSpace(asked.Token)) {
		return
	}
	now := time.Now()
	setCookie(w, r, d.sessions.issue(now))
	d.log("log-in from " + who(r))
	d.session(w, r, now.Add(sessionTime))
}

func (d *Dashboard) logOut(w http.ResponseWriter, r *http.Request) {
	setCookie(w, r, "")
	w.WriteHeader(http.StatusNoContent)
}

// status is the document, for programs.
func (d *Dashboard) status(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	document, _, err := d.config.Look()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, document)
}

// stream sends the document as Server-Sent Events (HTML, 9.2), as long as the session lasts.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request, until time.Time) {
	v, err := d.viewers.join()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer d.viewers.leave(v)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it to itself
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // nothing more is to come
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	_, err = io.WriteString(w, retryTime)
	for err == nil {
		select {
		case m, ok := <-v.messages:
			if !ok {
				return
			}
			_ = out.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.name, m.data); err == nil {
				err = out.Flush()
			}
		case <-r.Context().Done():
			return
		case <-over.C:
			return
		}
	}
}

// button is a handler for what changes the server.
func (d *Dashboard) button(press http.HandlerFunc) http.HandlerFunc {
	return d.act(d.known(func(w http.ResponseWriter, r *http.Request, _ time.Time) {
		if d.config.ReadOnly {
			refuse(w, http.StatusForbidden, "this dashboard only shows (--dashboard-read-only)")
			return
		}
		press(w, r)
	}))
}

func (d *Dashboard) reload(w http.ResponseWriter, r *http.Request) {
	d.log("a reload is asked for by " + who(r))
	if err := d.config.Reload(); err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusAccepted, struct{}{})
}

// scale adds or removes one worker.
func (d *Dashboard) scale(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		By int `json:"by"`
	}
	if !read(w, r, &asked) {
		return
	}
	if asked.By != 1 && asked.By != -1 {
		refuse(w, http.StatusBadRequest, `say {"by": 1} or {"by": -1}`)
		return
	}
	before, after, err := d.config.Scale(asked.By)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	d.log(fmt.Sprintf("workers %d to %d, asked for by %s", before, after, who(r)))
	answer(w, http.StatusOK, struct {
		Before int `json:"before"`
		After  int `json:"after"`
	}{before, after})
}

// read reads a small JSON body, or answers what is wrong with it.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json")
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not the JSON that is wanted")
		return false
	}
	return true
}

// refuse answers with a sentence that the page shows.
func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, struct {
		Error string `json:"error"`
	}{why})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails when the reader has gone
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
