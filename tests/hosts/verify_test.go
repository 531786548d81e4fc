package hosts

import (
	"strings"
	"testing"
	"time"
)

// A verdict is what the requests of a crowd came to.
type verdict struct {
	sent    map[string]int // by kind
	lost    map[string]int // by kind: not answered with 200
	first   []string       // some of the lost
	unsent  int            // of the lost: those that no host had got when it died
	double  int            // orders taken twice
	missing int            // orders that were answered and are not there
	mixed   []string       // answers to somebody else's request, sessions that did not go on
	moved   int            // times that a session went on, on another host
	release map[string]int // how many answers came from which
}

// verify compares what clients saw with what is in PostgreSQL and what HAProxy did. dead is the host that died, if one did, and when: then
// a page may have been counted twice, because the host died after the first time.
func (l *lan) verify(all []sent, dead *host, died time.Time) verdict {
	l.tb.Helper()
	v := verdict{sent: map[string]int{}, lost: map[string]int{}, release: map[string]int{}}
	taken := map[string]int{}
	for _, row := range l.query("SELECT number FROM shop_order") {
		taken[row[0]]++
	}
	log := strings.Join(l.edge.lines(), "\n")
	for _, s := range all {
		v.sent[s.kind]++
		order := s.kind == keyed || s.kind == plain
		switch {
		case s.lost():
			v.lost[s.kind]++
			if len(v.first) < 5 {
				v.first = append(v.first, s.String())
			}
			if dead == nil || !s.reached(log, dead, died) {
				v.unsent++
			}
		case s.mixed != "" || s.kind == page && s.step < 1 || s.kind == page && s.step > 1 && dead == nil:
			v.mixed = append(v.mixed, s.String())
		case order && taken[s.number] == 0:
			v.missing++
			l.tb.Logf("answered, but not there: %s", s)
		}
		if order && taken[s.number] > 1 {
			v.double++
			l.tb.Logf("taken twice: %s", s)
		}
		if s.answer.Release != "" {
			v.release[s.answer.Release]++
		}
		if s.moved {
			v.moved++
		}
	}
	return v
}

// reached tells whether a host can have had a request when it died, as HAProxy's log says. That lacks the requests which HAProxy gave up
// on a connection that had carried others before (it closes that without an answer): those must have been sent before the death.
func (s sent) reached(log string, dead *host, died time.Time) bool {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "/"+s.number+"?") {
			return strings.Contains(line, "/"+dead.name+" ") && !strings.Contains(line, "/-1/-1/")
		}
	}
	return s.at.Before(died)
}

// wantNothingLost fails the test unless every request was answered, once, and rightly.
func (v verdict) wantNothingLost(t *testing.T) {
	t.Helper()
	for kind, n := range v.lost {
		t.Errorf("%d of %d requests lost: %s; the first of all:\n%s", n, v.sent[kind], kind, strings.Join(v.first, "\n"))
	}
	v.wantNothingWrong(t)
}

// wantStartedLost allows for what cannot be helped: an order that must not be sent twice, and was with a host when it died.
func (v verdict) wantStartedLost(t *testing.T) {
	t.Helper()
	for _, kind := range []string{page, style, keyed} {
		if n := v.lost[kind]; n > 0 {
			t.Errorf("%d of %d requests lost: %s", n, v.sent[kind], kind)
		}
	}
	if v.unsent > 0 {
		t.Errorf("%d requests lost that no host had got; the first lost ones:\n%s", v.unsent, strings.Join(v.first, "\n"))
	}
	v.wantNothingWrong(t)
}

// wantNothingWrong fails the test if an order was taken twice or is missing, or an answer is somebody else's.
func (v verdict) wantNothingWrong(t *testing.T) {
	t.Helper()
	if v.double+v.missing > 0 || len(v.mixed) > 0 {
		t.Errorf("%d orders taken twice, %d missing; mixed up:\n%s", v.double, v.missing, strings.Join(v.mixed, "\n"))
	}
	for _, kind := range []string{page, style, keyed, plain} {
		if v.sent[kind] == 0 {
			t.Errorf("no %s was sent", kind)
		}
	}
}
