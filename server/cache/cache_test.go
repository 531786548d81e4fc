package cache

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// fields makes Fields of lines "Name: value".
func fields(lines ...string) Fields {
	return func(yield func(name, value []byte) bool) {
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if !yield([]byte(name), []byte(value)) {
				return
			}
		}
	}
}

// ask makes a request: "GET /path" and field lines.
func ask(first string, lines ...string) *exchange.Request {
	method, target, _ := strings.Cut(first, " ")
	path, _, _ := strings.Cut(target, "?")
	r := &exchange.Request{Method: []byte(method), Target: []byte(target), Path: []byte(path), Host: []byte("Site"), Scheme: "http"}
	for name, value := range fields(lines...) {
		r.Fields = append(r.Fields, exchange.Field{Name: name, Value: value})
	}
	return r
}

func newCache(memory int64, rules ...Rule) *Cache {
	return New(Config{Rules: rules, Memory: memory, IgnoreCookies: []string{"_ga*", "theme"}})
}

// run answers a ticket.
func run(t *testing.T, ticket *Ticket, status int, body string, lines ...string) *Entry {
	t.Helper()
	if ticket == nil {
		t.Fatal("no ticket")
	}
	if !ticket.Head(status, nil, fields(lines...)) || !ticket.Body([]byte(body)) {
		return nil
	}
	return ticket.Store()
}

func TestWhatMayBeKeptAndForHowLong(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	for _, test := range []struct {
		status int
		lines  string
		fresh  time.Duration // 0: not kept
		more   string        // revalidate, onError
	}{
		{200, "", 10 * time.Second, ""},
		{404, "", 10 * time.Second, ""},
		{200, "Cache-Control: max-age=3", 3 * time.Second, ""},
		{200, "Cache-Control: max-age=300", 10 * time.Second, ""},
		{200, "Cache-Control: max-age=300, s-maxage=2", 2 * time.Second, ""},
		{200, "Cache-Control: max-age=5|Age: 3", 2 * time.Second, ""},
		{200, "Age: 3", 10 * time.Second, ""},
		{200, "Cache-Control: max-age=0", 0, ""},
		{200, "Cache-Control: public, max-age=4, stale-while-revalidate=7, stale-if-error=9", 4 * time.Second, "7s 9s"},
		{200, "Cache-Control: max-age=4, must-revalidate, stale-while-revalidate=7", 4 * time.Second, ""},
		{200, "Cache-Control: private", 0, ""},
		{200, "Cache-Control: public|Cache-Control: no-store", 0, ""},
		{200, "Cache-Control: no-cache", 0, ""},
		{200, `Cache-Control: private="x-a", max-age=5`, 0, ""},
		{200, "Cache-Control: max-age=soon", 0, ""},
		{200, "Pragma: no-cache", 0, ""},
		{200, "Content-Type: text/event-stream; charset=utf-8", 0, ""},
		{200, "X-Accel-Buffering: no", 0, ""},
		{200, "Expires: " + at(4*time.Second), 4 * time.Second, ""},
		{200, "Expires: " + at(4*time.Second) + "|Date: " + at(time.Second), 3 * time.Second, ""},
		{200, "Expires: 0", 0, ""},
		{200, "Expires: " + at(-time.Hour), 0, ""},
		{200, "X-Accel-Expires: 60|Cache-Control: private", time.Minute, ""},
		{200, "X-Accel-Expires: 0|Cache-Control: max-age=9", 0, ""},
		{200, fmt.Sprintf("X-Accel-Expires: @%d", now.Unix()+30), 30 * time.Second, ""},
		{200, "X-Accel-Expires: off", 0, ""},
		{200, "X-Accel-Expires: 60|Set-Cookie: a=b", 0, ""},
		{200, "Set-Cookie: a=b|Cache-Control: public, max-age=9", 0, ""},
		{200, "Vary: Cookie, Accept-Language", 10 * time.Second, ""},
		{200, "Vary: Accept|Vary: *", 0, ""},
		{200, "Vary: a,b,c,d,e,f,g,h,i", 0, ""},
		{200, "Content-Encoding: gzip", 0, ""},
		{200, "Content-Encoding: gzip|Vary: Accept-Encoding", 10 * time.Second, ""},
		{206, "Content-Range: bytes 0-1/2|Cache-Control: max-age=9", 0, ""},
		{302, "", 0, ""},
		{302, "Cache-Control: max-age=9", 9 * time.Second, ""},
		{500, "Cache-Control: max-age=9", 0, ""},
		{403, "", 0, ""},
	} {
		how, ok := judge(test.status, fields(strings.Split(test.lines, "|")...), 10*time.Second, now)
		more := ""
		if how.revalidate+how.onError > 0 {
			more = fmt.Sprint(how.revalidate, how.onError)
			more = strings.Replace(more, "s", "s ", 1)
			more = strings.ReplaceAll(more, "  ", " ")
		}
		if ok != (test.fresh > 0) || (ok && (how.fresh != test.fresh || more != test.more)) {
			t.Errorf("%d %s: kept %v for %v and %q, want %v and %q", test.status, test.lines, ok, how.fresh, more, test.fresh, test.more)
		}
	}
}

func TestWhoSharesAnswers(t *testing.T) {
	c := newCache(1<<20, Rule{"/a/", time.Minute}, Rule{"/a/b", time.Second})
	for _, test := range []struct {
		first, lines string
		shares       bool
	}{
		{"GET /a", "", true},
		{"GET /a/x?q=1", "", true},
		{"GET /ab", "", false},
		{"POST /a", "", false},
		{"GET /a", "Authorization: Basic eDp5", false},
		{"GET /a", "X-API-Key: 1", false},
		{"GET /a", "X-Forwarded-User: anna", false},
		{"GET /a", "X-SSL-Client-Cert: x", false},
		{"GET /a", "User-Agent: x|Sec-Fetch-User: ?1|Accept-Language: de", true},
		{"GET /a", "Cookie: sessionid=1", false},
		{"GET /a", "Cookie: _ga=1; _ga_X=2; theme=dark", true},
		{"GET /a", "Cookie: _ga=1; sessionid=1", false},
		{"GET /a", "Cookie: _ga=1|Cookie: sessionid=1", false},
		{"GET /a", "Range: bytes=0-1", false},
		{"GET /a", "Cache-Control: No-Store", false},
		{"GET /a", "Cache-Control: no-cache", true},
		{"GET /a", `If-None-Match: "a"`, true},
	} {
		r := ask(test.first, strings.Split(test.lines, "|")...)
		_, ticket := c.Ask(r)
		if (ticket != nil) != test.shares {
			t.Errorf("%s %s: ticket %v, want %v", test.first, test.lines, ticket != nil, test.shares)
		}
		if ticket != nil {
			ticket.Drop()
		}
	}
	_, plain := c.Ask(ask("GET /a/b/c"))
	if plain.rule.For != time.Second {
		t.Errorf("the rule for /a/b/c is %v, want the longest prefix", plain.rule)
	}
	if _, forged := c.Ask(ask("GET /a/b/c", "X-Forwarded-Host: evil")); forged == nil || forged.key == plain.key {
		t.Error("a forged host shares the key of an honest request")
	}
	request := ask("GET /a", "Content-Length: 3")
	request.ContentLength = 3
	if _, ticket := c.Ask(request); ticket != nil {
		t.Error("a request with a body shares its answer")
	}
}

// Many equal requests at once are one run; if it fails another one runs, and if its answer may not be kept all run at once.
func TestSingleFlight(t *testing.T) {
	for name, test := range map[string]struct {
		outcome func(ticket *Ticket, n int32) *Entry
		runs    int32
	}{
		"kept": {func(ticket *Ticket, _ int32) *Entry { return run(t, ticket, 200, "x") }, 1},
		"first fails": {func(ticket *Ticket, n int32) *Entry {
			if n == 1 {
				ticket.Drop()
				return nil
			}
			return run(t, ticket, 200, "x")
		}, 2},
		"not to be kept": {func(ticket *Ticket, _ int32) *Entry { return run(t, ticket, 200, "x", "Set-Cookie: a=b") }, 50},
		"too slow": {func(ticket *Ticket, _ int32) *Entry {
			<-time.After(2 * longestWait)
			return run(t, ticket, 200, "x")
		}, 50},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(1<<20, Rule{"/", time.Minute})
				var runs atomic.Int32
				var all sync.WaitGroup
				for range 50 {
					all.Go(func() {
						hit, ticket := c.Ask(ask("GET /"))
						switch {
						case ticket != nil:
							n := runs.Add(1)
							<-time.After(time.Second)
							test.outcome(ticket, n)
						case hit.Entry != nil:
							if string(hit.Body) != "x" || hit.Kind != Collapsed {
								t.Errorf("got %q by %v", hit.Body, hit.Kind)
							}
						default:
							runs.Add(1)
						}
					})
				}
				all.Wait()
				if n := runs.Load(); n != test.runs {
					t.Errorf("%d runs, want %d", n, test.runs)
				}
				if c.waiting != 0 || len(c.flights) != 0 {
					t.Errorf("%d waiting, %d flights are left", c.waiting, len(c.flights))
				}
			})
		})
	}
}

func TestLifeOfAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(1<<20, Rule{"/", 10 * time.Second})
		_, ticket := c.Ask(ask("GET /"))
		run(t, ticket, 200, "old", "Cache-Control: max-age=10, stale-while-revalidate=5, stale-if-error=60", "Age: 1", "Content-Length: 3", "X-A: b")
		<-time.After(3 * time.Second)
		hit, _ := c.Ask(ask("HEAD /"))
		if hit.Entry == nil || hit.Kind != Fresh || hit.Age(time.Now()) != 4 || hit.TTL(time.Now()) != 6 {
			t.Fatalf("after 3 s: %+v", hit)
		}
		var got []string
		for name, value := range hit.Fields {
			got = append(got, string(name)+": "+string(value))
		}
		if text := strings.Join(got, "|"); text != "Cache-Control: max-age=10, stale-while-revalidate=5, stale-if-error=60|X-A: b" {
			t.Errorf("fields %s", text)
		}
		<-time.After(7 * time.Second)
		if hit, ticket := c.Ask(ask("HEAD /")); hit.Entry != nil || ticket != nil {
			t.Error("HEAD of a stale entry is not left to the application")
		}
		_, ticket = c.Ask(ask("GET /"))
		if hit, _ := c.Ask(ask("GET /")); hit.Entry == nil || hit.Kind != Stale || hit.TTL(time.Now()) >= 0 {
			t.Errorf("nobody is served the old answer while a new one is made: %+v", hit)
		}
		if ticket.Head(503, nil, fields()) || ticket.Stale() == nil {
			t.Error("the old answer may stand in for an error, and does not")
		}
		_, ticket = c.Ask(ask("GET /"))
		run(t, ticket, 200, "new")
		if hit, _ := c.Ask(ask("GET /")); hit.Entry == nil || string(hit.Body) != "new" {
			t.Errorf("got %+v after the new answer", hit)
		}
		_, ticket = c.Ask(ask("GET /other"))
		c.Update(Config{Memory: 1 << 20, Rules: []Rule{{"/", time.Second}}})
		if run(t, ticket, 200, "of before") == nil {
			t.Error("those who wait do not get the answer of a run from before the reload")
		}
		for _, target := range []string{"GET /", "GET /other"} {
			if hit, again := c.Ask(ask(target)); hit.Entry != nil {
				t.Errorf("%s is kept over a reload", target)
			} else {
				again.Drop()
			}
		}
		if used, n := c.Used(); used != 0 || n != 0 {
			t.Errorf("%d bytes in %d entries are left", used, n)
		}
	})
}

// An answer that could not be kept is not waited for a second time, until some time has passed.
func TestNobodyQueuesForWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(1<<20, Rule{"/", time.Minute})
		_, ticket := c.Ask(ask("GET /"))
		run(t, ticket, 200, "x", "Cache-Control: private")
		if _, ticket := c.Ask(ask("GET /")); ticket != nil {
			t.Error("a second request can be waited for")
		}
		<-time.After(passFor + time.Second)
		if _, ticket = c.Ask(ask("GET /")); ticket == nil {
			t.Error("it is never tried again")
		}
		ticket.Drop()
	})
}

func TestVaryTellsAnswersApart(t *testing.T) {
	c := newCache(1<<20, Rule{"/", time.Minute})
	for _, language := range []string{"de", "en", "fr"} {
		_, ticket := c.Ask(ask("GET /", "Accept-Language: "+language))
		run(t, ticket, 200, language, "Vary: Cookie, Accept-Language")
	}
	for _, language := range []string{"de", "en", "fr"} {
		if hit, _ := c.Ask(ask("GET /", "Accept-Language: "+language)); hit.Entry == nil || string(hit.Body) != language {
			t.Errorf("%s gets %+v", language, hit.Entry)
		}
	}
	_, one := c.Ask(ask("GET /", "Accept-Language: it"))
	_, two := c.Ask(ask("GET /", "Accept-Language: es"))
	if one == nil || two == nil {
		t.Error("requests that differ in what the answer depends on wait for each other")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const memory = 64 << 10
	c := newCache(memory, Rule{"/", time.Minute})
	for i := range 200 {
		_, ticket := c.Ask(ask(fmt.Sprintf("GET /%d", i)))
		run(t, ticket, 200, strings.Repeat("x", 4000))
		_, pass := c.Ask(ask(fmt.Sprintf("GET /pass%d", i)))
		run(t, pass, 200, "", "Set-Cookie: a=b")
		if hit, again := c.Ask(ask("GET /0")); i < 100 && hit.Entry == nil {
			t.Fatalf("what is used all the time was dropped at %d: %v", i, again)
		}
		if used, _ := c.Used(); used > memory {
			t.Fatalf("%d bytes are used", used)
		}
	}
	_, ticket := c.Ask(ask("GET /big"))
	if run(t, ticket, 200, strings.Repeat("x", memory/8+1)) != nil {
		t.Error("an answer larger than an eighth of the memory was kept")
	}
	c.Update(Config{})
	if used, n := c.Used(); used != 0 || n != 0 {
		t.Errorf("%d bytes in %d entries are left", used, n)
	}
}

func TestPreconditions(t *testing.T) {
	const day = "Fri, 01 May 2026 12:00:00 GMT"
	for _, test := range []struct {
		entry, request string
		want           bool
	}{
		{`ETag: "a"`, `If-None-Match: "a"`, true},
		{`ETag: W/"a"`, `If-None-Match: "x", W/"b,c" , "a"`, true},
		{`ETag: "a"`, `If-None-Match: W/"a"`, true},
		{`ETag: "a"`, `If-None-Match: *`, true},
		{`ETag: "a"`, `If-None-Match: "b"`, false},
		{`ETag: "a"`, `If-None-Match: a`, false},
		{`ETag: "a"`, `If-None-Match: "b|If-None-Match: "a"`, true},
		{`X-None: 1`, `If-None-Match: "a"`, false},
		{`Last-Modified: ` + day, `If-Modified-Since: ` + day, true},
		{`Last-Modified: ` + day, `If-Modified-Since: Fri, 01 May 2026 11:59:59 GMT`, false},
		{`Last-Modified: ` + day, `If-Modified-Since: yesterday`, false},
		{`ETag: "a"|Last-Modified: ` + day, `If-None-Match: "b"|If-Modified-Since: ` + day, false},
		{`X-None: 1`, `If-Modified-Since: ` + day, false},
	} {
		e := entry(200, nil, fields(strings.Split(test.entry, "|")...))
		if got := e.NotModified(ask("GET /", strings.Split(test.request, "|")...)); got != test.want {
			t.Errorf("%s and %s: %v, want %v", test.entry, test.request, got, test.want)
		}
	}
}

// Whatever an answer says, it ends in a decision, and one that gives somebody else's cookie is never kept.
func FuzzJudge(f *testing.F) {
	f.Add(200, "Cache-Control: max-age=5, private=\"a\nVary: a,b\nExpires: 0")
	f.Add(200, "Cache-Control: s-maxage=99999999999999\nAge: 18446744073709551615\nX-Accel-Expires: @1\nSet-Cookie: a")
	f.Fuzz(func(t *testing.T, status int, text string) {
		now := time.Unix(1_800_000_000, 0)
		how, ok := judge(status, fields(strings.Split(text, "\n")...), time.Second, now)
		if ok && (how.fresh <= 0 || len(how.vary) > maxVary || strings.Contains(strings.ToLower(text), "\nset-cookie: ")) {
			t.Errorf("kept: %+v", how)
		}
	})
}

// Lists of tags end, and a tag that is alone in its list is found.
func FuzzListed(f *testing.F) {
	f.Add(`W/"a", "b"`, `"b"`)
	f.Add(`"`, `W/"`)
	f.Fuzz(func(t *testing.T, list, tag string) {
		listed([]byte(list), []byte(tag))
		if len(tag) >= 2 && tag[0] == '"' && strings.IndexByte(tag[1:], '"') == len(tag)-2 && !listed([]byte(tag), []byte(tag)) {
			t.Errorf("%q is not in itself", tag)
		}
	})
}
