package oracle

import (
	"fmt"
	"strings"
)

// A Tally is what became of the requests of a Load. MixUps, Duplicates, Lost and Strange are never right.
type Tally struct {
	Answered   int // 200, and it was the answer to this request
	Died       int // 502: its worker died
	Cut        int // the answer broke off
	Shed       int // 503
	TimedOut   int // 504
	Refused    int // no connection, or no answer; the application never saw the request
	Retried    int // GET that was started a second time, as it may be after the death of a worker
	MixUps     int // the answer, or a part of it, was that of another request
	Duplicates int // POST that was started twice, or GET three times
	Lost       int // the application saw the request, and the client got no answer at all
	Unfair     int // 502 or a broken answer, though the application never saw the request
	Strange    int // anything else

	notes []string // of the first that went wrong
}

// Sent is how many requests there were.
func (t *Tally) Sent() int {
	return t.Answered + t.Died + t.Cut + t.Shed + t.TimedOut + t.Refused + t.MixUps + t.Lost + t.Strange
}

// Wrong is how much went wrong that never may, whatever is done to a server whose master lives.
func (t *Tally) Wrong() int { return t.MixUps + t.Duplicates + t.Lost + t.Strange }

// Failed is how many requests got something other than their answer.
func (t *Tally) Failed() int { return t.Sent() - t.Answered }

// String is one line of what there was any of, and a line for each of the first requests that went wrong.
func (t *Tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d answered", t.Answered)
	for _, c := range []struct {
		n    int
		what string
	}{
		{t.Died, "got 502"},
		{t.Cut, "broke off"},
		{t.Shed, "got 503"},
		{t.TimedOut, "got 504"},
		{t.Refused, "refused, not started"},
		{t.Retried, "GETs tried once more"},
		{t.MixUps, "MIX-UPS"},
		{t.Duplicates, "DUPLICATES"},
		{t.Lost, "LOST, started"},
		{t.Unfair, "failed though not started"},
		{t.Strange, "STRANGE"},
	} {
		if c.n > 0 {
			fmt.Fprintf(&b, ", %d %s", c.n, c.what)
		}
	}
	for _, note := range t.notes {
		b.WriteString("\n    " + note)
	}
	return b.String()
}

func (t *Tally) note(format string, args ...any) {
	const most = 20
	if len(t.notes) < most {
		t.notes = append(t.notes, fmt.Sprintf(format, args...))
	}
}

// add joins the counts of one client.
func (t *Tally) add(o *Tally) {
	t.Answered += o.Answered
	t.Died += o.Died
	t.Cut += o.Cut
	t.Shed += o.Shed
	t.TimedOut += o.TimedOut
	t.Refused += o.Refused
	t.Retried += o.Retried
	t.MixUps += o.MixUps
	t.Duplicates += o.Duplicates
	t.Lost += o.Lost
	t.Unfair += o.Unfair
	t.Strange += o.Strange
	for _, note := range o.notes {
		t.note("%s", note)
	}
}
