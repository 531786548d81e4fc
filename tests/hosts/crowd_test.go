package hosts

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// patience is how long a client waits for an answer before it counts as lost. HAProxy gives a silent host up after six seconds.
const patience = 15 * time.Second

// pace is how long a client rests between two turns: the machine has other things to do than to answer.
const pace = 40 * time.Millisecond

// The kinds of requests.
const (
	page  = "page"  // GET, counts the visits of a session
	style = "style" // GET, a static file that a page has named
	keyed = "keyed" // POST with Idempotency-Key: may be sent again
	plain = "plain" // POST: must not be sent again
)

// An answer is what views of the site say.
type answer struct {
	Host    string
	Release string
	Number  string
	Visits  int
	Style   string
	Client  string
}

// A sent request, and what became of it.
type sent struct {
	kind   string
	number string
	at     time.Time
	status int   // 0: no answer
	err    error // why there is none
	answer answer
	step   int    // of a page: by how much the visits of the session have grown
	moved  bool   // of a page: another host than before has answered to the session
	mixed  string // what is wrong with the answer
}

func (s sent) lost() bool { return s.status != http.StatusOK }

func (s sent) String() string {
	return fmt.Sprintf("%s %s: status %d, %v %s", s.kind, s.number, s.status, s.err, s.mixed)
}

// A crowd is clients that send requests through HAProxy, one after another, each with a session of its own, until it is stopped.
// Half of them keep their connection. No request is sent twice by a client.
type crowd struct {
	name  string
	wait  time.Duration // how long an order takes once it is in the database
	stop  chan struct{}
	ended sync.WaitGroup
	mu    sync.Mutex // guards all
	all   []sent
}

// gather starts a crowd. Names tell the requests of one from those of another.
func gather(name string, clients int, wait time.Duration) *crowd {
	c := &crowd{name: name, wait: wait, stop: make(chan struct{})}
	for i := range clients {
		c.ended.Go(func() { c.client(i) })
	}
	return c
}

// disperse stops the crowd and returns what its requests came to.
func (c *crowd) disperse() []sent {
	close(c.stop)
	c.ended.Wait()
	return c.all
}

// answered returns the numbers of what was answered so far, with the host that did.
func (c *crowd) answered() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := map[string]string{}
	for _, s := range c.all {
		hosts[s.number] = s.answer.Host
	}
	return hosts
}

// waitServed waits until each of the hosts has answered some requests more.
func (c *crowd) waitServed(tb testing.TB, hosts ...*host) {
	tb.Helper()
	const some = 10
	before := c.answered()
	harness.EventuallyEvery(tb, 50*time.Millisecond, budget, "all hosts answer", func() bool { // what is counted grows by the second
		n := map[string]int{}
		for number, host := range c.answered() {
			if _, known := before[number]; !known {
				n[host]++
			}
		}
		return !slices.ContainsFunc(hosts, func(h *host) bool { return n[h.name] < some })
	})
}

// waitBusy waits until a host has taken an order of each kind that it has not answered.
func (c *crowd) waitBusy(tb testing.TB, h *host) {
	tb.Helper()
	harness.Eventually(tb, budget, h.name+" is in the middle of orders", func() bool {
		rows := h.lan.query("SELECT number, key IS NULL FROM shop_order WHERE taken_by = '" + h.name + "' AND created > now() - interval '3 s'")
		done := c.answered()
		kinds := map[string]bool{}
		for _, row := range rows {
			if _, answered := done[row[0]]; !answered {
				kinds[row[1]] = true
			}
		}
		return len(kinds) == 2
	})
}

func (c *crowd) client(index int) {
	v := &visitor{keep: index%2 == 0}
	defer v.close()
	for turn := 0; ; turn++ {
		number := func(kind string) string { return fmt.Sprintf("%s-%d-%d-%s", c.name, index, turn, kind) }
		seen := c.page(v, number(page))
		if !seen.lost() {
			c.style(v, number(style), seen.answer)
		}
		kind := keyed
		if turn%2 == 0 {
			kind = plain
		}
		c.order(v, kind, number(kind))
		select {
		case <-c.stop:
			return
		case <-time.After(pace):
		}
	}
}

func (c *crowd) page(v *visitor, number string) sent {
	s, body := v.send(page, number, http.MethodGet, "/page/"+number, nil)
	if !s.lost() {
		s.decode(body)
		s.step = s.answer.Visits - v.visits
		s.moved = v.host != "" && v.host != s.answer.Host
		v.visits, v.host = s.answer.Visits, s.answer.Host
		if s.answer.Client != clientAddr {
			s.mixed += "; the client's address is " + s.answer.Client
		}
	}
	c.add(s)
	return s
}

func (c *crowd) style(v *visitor, number string, of answer) {
	s, body := v.send(style, number, http.MethodGet, of.Style, nil)
	if !s.lost() && !strings.Contains(string(body), "release "+of.Release+" ") {
		s.mixed = fmt.Sprintf("the page is of release %s, its style sheet %s", of.Release, body)
	}
	c.add(s)
}

func (c *crowd) order(v *visitor, kind, number string) {
	header := http.Header{}
	if kind == keyed {
		header.Set("Idempotency-Key", number)
	}
	s, body := v.send(kind, number, http.MethodPost, fmt.Sprintf("/orders/%s?wait=%g", number, c.wait.Seconds()), header)
	if !s.lost() {
		s.decode(body)
	}
	c.add(s)
}

func (c *crowd) add(s sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, s)
}

func (s *sent) decode(body []byte) {
	if err := json.Unmarshal(body, &s.answer); err != nil || s.answer.Number != s.number {
		s.mixed = fmt.Sprintf("answer %.200q", body)
	}
}

// A visitor is one client with its connection and its session. It is no http.Client, which would send some requests again by itself.
type visitor struct {
	keep    bool
	conn    net.Conn
	reader  *bufio.Reader
	session string
	visits  int    // of the session
	host    string // that answered last
}

func (v *visitor) close() {
	if v.conn != nil {
		v.conn.Close()
		v.conn = nil
	}
}

func (v *visitor) send(kind, number, method, path string, header http.Header) (sent, []byte) {
	s := sent{kind: kind, number: number, at: time.Now()}
	request, err := http.NewRequest(method, "http://shop.example"+path, nil)
	if err != nil {
		s.err = err
		return s, nil
	}
	if header != nil {
		request.Header = header
	}
	if v.session != "" {
		request.Header.Set("Cookie", "sessionid="+v.session)
	}
	request.Close = !v.keep
	response, body, err := v.exchange(request)
	if s.err = err; err != nil {
		v.close()
		return s, nil
	}
	s.status = response.StatusCode
	if response.Close {
		v.close()
	}
	for _, cookie := range response.Cookies() {
		if cookie.Name == "sessionid" {
			v.session = cookie.Value
		}
	}
	return s, body
}

func (v *visitor) exchange(request *http.Request) (*http.Response, []byte, error) {
	if v.conn == nil {
		conn, err := net.DialTimeout("tcp", edgeAddr+":80", patience)
		if err != nil {
			return nil, nil, err
		}
		v.conn, v.reader = conn, bufio.NewReader(conn)
	}
	if err := v.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, err
	}
	if err := request.Write(v.conn); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(v.reader, request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}
