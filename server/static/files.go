package static

import (
	"path"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Files answers requests with the files of a Config. It is safe for concurrent use.
type Files struct {
	updating sync.Mutex // held by Update
	now      atomic.Pointer[state]
	denied   sync.Map     // paths that were logged as forbidden
	denials  atomic.Int64 // how many
}

// state is a Config at work.
type state struct {
	config Config
	mounts []*mount // the longest URL first
	cache  *cache
}

// maxDenied bounds the number of forbidden files that are logged, each once.
const maxDenied = 100

// New returns Files that serve what c says. It reads no directory; those that do not exist are warned about and count as empty.
func New(c Config) (*Files, error) {
	f := &Files{}
	return f, f.Update(c)
}

// Update serves what c says from the next request on, and forgets what was remembered of files. Immutable files of the Roots with the same
// URL stay reachable. An error leaves everything as it was.
func (f *Files) Update(c Config) error {
	if err := c.Check(); err != nil {
		return err
	}
	f.updating.Lock()
	defer f.updating.Unlock()
	s := &state{config: c.withDefaults()}
	s.cache = newCache(s.config.Entries, s.config.Memory)
	before := map[string]*mount{}
	if old := f.now.Load(); old != nil {
		for _, m := range old.mounts {
			before[m.URL] = m
		}
	}
	for _, r := range c.Roots {
		s.mounts = append(s.mounts, newMount(&s.config, r, before[r.URL]))
	}
	sort.SliceStable(s.mounts, func(i, j int) bool { return len(s.mounts[i].URL) > len(s.mounts[j].URL) })
	f.now.Store(s)
	return nil
}

// Name implements exchange.Responder.
func (f *Files) Name() string { return "static" }

// Respond implements exchange.Responder.
func (f *Files) Respond(x exchange.Exchange) bool {
	s := f.now.Load()
	req := x.Request()
	clean := req.Path
	if !isClean(clean) {
		var room [512]byte
		var ok bool
		if clean, ok = cleanPath(room[:0], clean); !ok {
			return false
		}
	}
	m := s.match(clean)
	if m == nil {
		return false
	}
	get := string(req.Method) == "GET" || string(req.Method) == "HEAD"
	if !get && !m.FallThrough {
		m.refuseMethod(x)
		return true
	}
	now := instant(req.Received)
	if req.Received.IsZero() {
		now = instant(time.Now())
	}
	m.refresh(now)
	if len(req.RawPath) != len(req.Path) && hidesSlash(req.RawPath) {
		return m.refuse(x, 404)
	}
	e, status := f.lookup(s, m, clean, now)
	switch {
	case status == redirected && get:
		m.redirect(x, clean)
		return true
	case status == redirected:
		m.refuseMethod(x)
		return true
	case status != 0:
		return m.refuse(x, status)
	case !get:
		m.refuseMethod(x)
		return true
	}
	return f.answer(x, s, e, clean, now)
}

// match returns the mount of a clean path.
func (s *state) match(clean []byte) *mount {
	for _, m := range s.mounts {
		if len(clean) >= len(m.URL) && string(clean[:len(m.URL)]) == m.URL {
			return m
		}
	}
	return nil
}

// attempts is how often a file that changes while it is looked at is looked at again.
const attempts = 4

// answer sends an entry, or a newer one if its file was changed in between.
func (f *Files) answer(x exchange.Exchange, s *state, e *entry, clean []byte, now int64) bool {
	var a asked
	a.read(x.Request().Fields)
	w := weights{identity: 1}
	if e.mount.Kind == Assets {
		w = accepted(a.encoding)
	}
	for range attempts {
		c := e.choose(&w)
		if c == codings {
			return e.mount.refuse(x, 406)
		}
		r, err := e.variant(c, s.cache)
		if err == nil {
			began := s.config.Courtesy.Enter()
			r.answer(x, &a)
			s.config.Courtesy.Leave(began)
			return true
		}
		s.cache.remove(e)
		m, status := e.mount, statusOf(err)
		if c != identity && status == 403 {
			w[c] = 0 // only the sibling may not be read
			continue
		}
		if status == 404 { // errChanged too
			if e, status = f.lookup(s, m, clean, now); status == 0 {
				continue
			}
		}
		if status == 403 {
			f.forbidden(s, string(clean), err)
		}
		if status == redirected {
			status = 404
		}
		return m.refuse(x, status)
	}
	// It changes faster than it can be looked at: somebody is writing it. What is there is sent, without saying which state it is.
	r, err := e.asIs()
	if err != nil {
		return e.mount.refuse(x, statusOf(err))
	}
	r.answer(x, &a)
	return true
}

// redirected is the status of a path that lacks a slash, or has the name of the index too much.
const redirected = 302

// lookup returns the entry of a clean path, or the status to answer with.
func (f *Files) lookup(s *state, m *mount, clean []byte, now int64) (*entry, int) {
	e := s.cache.get(clean)
	if e != nil && e.mount == m && e.fresh(now) {
		return e, 0
	}
	if !m.live() {
		if status := s.cache.missing(clean, m, now); status != 0 {
			return nil, status
		}
	}
	key := string(clean)
	newer, status := f.look(s, m, key, now)
	switch {
	case status == 404 || status == 403:
		if e != nil {
			s.cache.remove(e)
		}
		if !m.live() {
			s.cache.remember(key, miss{status, now + int64(s.config.Recheck), m, m.generation.Load()})
		}
		return nil, status
	case status != 0:
		return nil, status
	case e != nil && e.same(newer):
		e.checked.Store(now)
		return e, 0
	}
	s.cache.put(newer)
	return newer, 0
}

// look asks the disk for a clean path.
func (f *Files) look(s *state, m *mount, clean string, now int64) (*entry, int) {
	name := clean[len(m.URL):]
	folder := name == "" || strings.HasSuffix(name, "/")
	if folder && m.Index == "" || !servable(clean, s.config.Hidden) {
		return nil, 404
	}
	if !folder && m.Index != "" && path.Base(name) == m.Index {
		if e, err := look(m, clean, name, now); err == nil && e != nil {
			return nil, redirected
		}
		return nil, 404
	}
	if folder {
		name += m.Index
	}
	e, err := look(m, clean, name, now)
	switch {
	case err != nil:
		status := statusOf(err)
		if status == 403 || escapes(err) {
			f.forbidden(s, clean, err)
		}
		return nil, status
	case e != nil:
		return e, 0
	case folder || m.Index == "":
		return nil, 404
	}
	if e, err = look(m, clean, name+"/"+m.Index, now); err == nil && e != nil {
		return nil, redirected
	}
	return nil, 404
}

// epoch is what instants are counted from.
var epoch = time.Now()

// instant is a time in nanoseconds, by the clock that does not jump: after a wall clock was put back an hour nothing would be looked at for
// that long.
func instant(t time.Time) int64 { return int64(t.Sub(epoch)) }

// fresh reports whether an entry may be sent without asking the disk. When the time is up one request asks, and others wait for nobody:
// unless nobody has asked for long.
func (e *entry) fresh(now int64) bool {
	if e.number != e.mount.generation.Load() || e.mount.live() {
		return false
	}
	checked, recheck := e.checked.Load(), int64(e.mount.config.Recheck)
	switch age := now - checked; {
	case age < recheck:
		return true
	case age < 2*recheck:
		return !e.checked.CompareAndSwap(checked, now)
	}
	return false
}

// same reports whether nothing has changed since the entry was made.
func (e *entry) same(newer *entry) bool {
	return e.mount == newer.mount && e.number == newer.number && e.handle == newer.handle && e.found.name == newer.found.name && e.stamps == newer.stamps
}

// forbidden logs a file that the server may not read, or a link that it does not follow, once.
func (f *Files) forbidden(s *state, clean string, err error) {
	if _, logged := f.denied.Load(clean); logged || f.denials.Add(1) > maxDenied {
		return
	}
	if _, logged := f.denied.LoadOrStore(clean, true); logged {
		return
	}
	if escapes(err) {
		s.config.Warnf("static file %q: %v; links out of the directory are not followed, copy the files (collectstatic without --link)", clean, err)
		return
	}
	s.config.Warnf("static file %q: %v; the user of the server must be able to read it", clean, err)
}

// refuse answers without a file, or leaves a miss to the application.
func (m *mount) refuse(x exchange.Exchange, status int) bool {
	switch {
	case status == 404 && m.FallThrough:
		return false
	case status == 503:
		problem(x, 503, append(m.brief[:len(m.brief):len(m.brief)], exchange.Field{Name: []byte("Retry-After"), Value: []byte("1")}))
	default:
		problem(x, status, m.brief)
	}
	return true
}

// refuseMethod answers methods other than GET and HEAD.
func (m *mount) refuseMethod(x exchange.Exchange) {
	if string(x.Request().Method) != "OPTIONS" {
		problem(x, 405, m.allow)
		return
	}
	if x.Start(204, nil) != nil {
		x.Error(500, 0)
		return
	}
	_ = x.Field(m.allow[0].Name, []byte("GET, HEAD, OPTIONS"))
	for _, field := range m.brief {
		_ = x.Field(field.Name, field.Value)
	}
	_ = x.Finish(nil)
}

// redirect adds the slash to the name of a directory, or removes the name of its index, relative to the request: what stands before us may
// have another address. The query stays.
func (m *mount) redirect(x exchange.Exchange, clean []byte) {
	last := clean[strings.LastIndexByte(string(clean), '/')+1:]
	to := []byte("./")
	if string(last) != m.Index {
		to = append(escape(to, last), '/')
	}
	if query := x.Request().RawQuery; len(query) > 0 {
		to = append(append(to, '?'), query...)
	}
	problem(x, redirected, append(m.brief[:len(m.brief):len(m.brief)], exchange.Field{Name: []byte("Location"), Value: to}))
}

// escape appends a part of a path, encoded but for unreserved characters (RFC 3986 2.3).
func escape(to, part []byte) []byte {
	for _, c := range part {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			to = append(to, c)
		} else {
			to = append(to, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return to
}

// Remembered returns how many files and missing files are remembered, and how many bytes of content are in memory.
func (f *Files) Remembered() (files, misses int, memory int64) {
	c := f.now.Load().cache
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.files), len(c.misses), c.bytes
}
