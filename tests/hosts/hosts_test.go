package hosts

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/tests/harness"
)

// Crowds: one that goes on for the time of a deploy, and one with orders that take so long that a host dies in the middle of some.
const (
	few, short = 6, 50 * time.Millisecond
	many, long = 12, time.Second
)

func TestThreeHosts(t *testing.T) {
	l := newLAN(t)
	updated := 3
	if testing.Short() {
		l.grow(2)
		updated = 1
	} else {
		l.grow(3)
	}
	l.bring("1")
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy", "haproxy", "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	l.balance(config)
	started := time.Now()

	t.Run("restart for a release", func(t *testing.T) { l.deploy(t, "2", l.hosts[:updated], func(h *host) { h.halt(); h.rise() }) })
	if !testing.Short() {
		t.Run("reload for a release", func(t *testing.T) { l.deploy(t, "3", l.hosts, (*host).reload) })
	}
	t.Run("death of one", func(t *testing.T) {
		scheduler := l.query("SELECT sent_by FROM shop_sweep ORDER BY id DESC LIMIT 1")
		h := l.host(scheduler[0][0])
		v := l.loses(t, "death", h, func() { h.main.kill() })
		v.wantStartedLost(t)
		if v.lost[plain] == 0 {
			t.Error("the host has died in the middle of nothing")
		}
		h.rise()
		harness.Eventually(t, budget, "the beat of another host schedules", func() bool {
			return len(l.query("SELECT 1 FROM shop_sweep WHERE sent_by <> '"+h.name+"' AND at > now() - interval '2 s'")) > 0
		})
	})
	if testing.Short() {
		return
	}
	t.Run("silence of one", func(t *testing.T) {
		h := l.hosts[1]
		l.loses(t, "silence", h, h.cut).wantStartedLost(t)
		h.main.kill()
		h.plug()
		h.rise()
	})
	t.Run("what they share", func(t *testing.T) { l.shared(t, time.Since(started)) })
	t.Run("without", func(t *testing.T) { l.without(t, config) })
}

// deploy brings a release to hosts under load, one after another, and wants nothing lost.
func (l *lan) deploy(t *testing.T, release string, hosts []*host, update func(*host)) {
	t.Helper()
	l.hand(release)
	c := gather("release-"+release, few, short)
	c.waitServed(t, l.hosts...)
	for _, h := range hosts {
		h.turn(release)
		update(h)
	}
	c.waitServed(t, l.hosts...)
	v := l.verify(c.disperse(), nil, time.Time{})
	v.wantNothingLost(t)
	if len(v.release) != 2 || v.release[release] < 10 {
		t.Errorf("the answers do not go from one release to the next: %v", v.release)
	}
	if v.moved == 0 {
		t.Error("no session has come from one host to another")
	}
	t.Logf("sent %v, by release %v; sessions went from host to host %d times", v.sent, v.release, v.moved)
}

// loses makes a host end in the middle of orders, and returns what the requests came to.
func (l *lan) loses(t *testing.T, name string, h *host, end func()) verdict {
	t.Helper()
	c := gather(name, many, long)
	c.waitServed(t, l.hosts...)
	c.waitBusy(t, h)
	end()
	ended := time.Now()
	h.waitSeen("DOWN")
	var others []*host
	for _, other := range l.hosts {
		if other != h {
			others = append(others, other)
		}
	}
	c.waitServed(t, others...)
	v := l.verify(c.disperse(), h, ended)
	t.Logf("sent %v, lost %v", v.sent, v.lost)
	return v
}

// shared looks at the tasks, the schedule and the connections of all that has happened.
func (l *lan) shared(t *testing.T, since time.Duration) {
	harness.EventuallyEvery(t, 100*time.Millisecond, budget, "all orders are packed", func() bool {
		return len(l.query("SELECT 1 FROM shop_order WHERE packed_by IS NULL LIMIT 1")) == 0
	})
	if n := len(l.query("SELECT DISTINCT taken_by, packed_by FROM shop_order WHERE taken_by <> packed_by")); n < len(l.hosts) {
		t.Errorf("only %d pairs of hosts that queue a task and run it", n)
	}
	// With a beat on each host that schedules there would be three times as many.
	const every = 2 * time.Second
	if n := len(l.query("SELECT 1 FROM shop_sweep")); n > int(since/every)*3/2 || n < 3 {
		t.Errorf("beat has scheduled %d tasks in %v", n, since)
	}
	// Two workers with two threads, two threads of Celery and its parent, see docs/several-hosts.md.
	if n := len(l.query("SELECT 1 FROM pg_stat_activity WHERE usename = 'shop' AND pid <> pg_backend_pid()")); n > len(l.hosts)*(2*2+3) {
		t.Errorf("%d connections to PostgreSQL", n)
	}
}

// Lines of the configuration that without takes away.
const (
	redispatch = "    option redispatch 1\n"
	retryUnrun = "    retry-on conn-failure\n"
	retryDead  = "    retry-on conn-failure empty-response junk-response\n"
)

// without shows what each line is for: what is lost when it is not there.
func (l *lan) without(t *testing.T, config string) {
	h := l.hosts[0]
	h.args = []string{"--companion", "worker=sleep 1000", "--companion", "beat=sleep 1000"} // Celery has had its turn, and is slow to start
	restart := func(t *testing.T, name string) verdict {
		t.Helper()
		c := gather(name, few, short)
		c.waitServed(t, l.hosts...)
		h.halt()
		v := l.verify(c.disperse(), nil, time.Time{})
		t.Logf("sent %v, lost %v", v.sent, v.lost)
		h.rise()
		return v
	}
	l.balance(edit(t, config, "    retries 3\n", "    retries 0\n", redispatch, "", retryUnrun, "", retryDead, ""))
	t.Run("retries, with the drain delay", func(t *testing.T) { restart(t, "drain").wantNothingLost(t) })
	h.halt()
	h.args = append(h.args, "--drain-delay", "0")
	h.rise()
	t.Run("retries and drain delay", func(t *testing.T) {
		if v := restart(t, "neither"); v.unsent == 0 {
			t.Error("nothing is lost")
		}
	})

	died := func() { h.main.kill() }
	for _, row := range []struct {
		name  string
		edits []string
		end   func()
		harm  func(verdict) bool
	}{
		{"redispatch", []string{redispatch, ""}, died, func(v verdict) bool { return v.lost[keyed] > 0 }},
		{"retries of what a dead host had", []string{retryDead, ""}, died, func(v verdict) bool { return v.lost[keyed] > 0 }},
		{"a backend for what must not be sent twice", []string{"    use_backend once unless repeatable\n", ""}, died, func(v verdict) bool { return v.double > 0 }},
		{"questions to silent hosts", []string{"    option srvtcpka\n", "", " tcp-ut 5s", ""}, h.cut, func(v verdict) bool { return v.lost[keyed] > 0 }},
	} {
		l.balance(edit(t, config, row.edits...))
		t.Run(row.name, func(t *testing.T) {
			if v := l.loses(t, strings.Fields(row.name)[0]+strconv.Itoa(len(row.name)), h, row.end); !row.harm(v) {
				t.Errorf("no harm is done: sent %v, lost %v, taken twice %d", v.sent, v.lost, v.double)
			}
		})
		h.main.kill()
		h.plug()
		h.rise()
	}
}

// edit replaces texts that must be there.
func edit(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the configuration has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}
