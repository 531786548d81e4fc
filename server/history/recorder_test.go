package history

import (
	"math"
	"testing"
	"time"
)

func TestScaleIsATenthOff(t *testing.T) {
	for d := 64 * time.Microsecond; d < 15*time.Minute; d += d / 7 {
		got := stepTime(stepOf(d))
		if off := math.Abs(got/d.Seconds() - 1); off > 0.126 {
			t.Errorf("%v counts as %.6f s: %.0f %% off", d, got, off*100)
		}
	}
	if got := stepOf(-time.Second); got != 0 {
		t.Errorf("a negative time is on step %d", got)
	}
	if got := stepOf(math.MaxInt64); got != scaleSteps-1 {
		t.Errorf("the longest time is on step %d", got)
	}
}

func TestRecord(t *testing.T) {
	r := New("fast", "slow", "fast")
	at := time.Unix(1000, 0)
	r.Turn(at, Gauges{})
	for i := range 100 {
		r.Request(200, "fast", time.Millisecond, 2*time.Millisecond, time.Duration(i+1)*time.Millisecond)
	}
	r.Request(404, "", 0, 0, time.Second)
	r.Request(503, "", 0, 0, time.Second)
	r.Turn(at.Add(time.Second), Gauges{Running: 3, Memory: 7})
	r.Turn(at.Add(4*time.Second), Gauges{}) // two seconds were missed

	got := r.Record()
	s := got.Series
	if len(s.Requests) != 5 || s.End != 1004 {
		t.Fatalf("%d seconds up to %d, want 5 up to 1004", len(s.Requests), s.End)
	}
	if s.Requests[1] != 102 || s.App[1] != 100 || s.ClientErrors[1] != 1 || s.ServerErrors[1] != 1 || s.Running[1] != 3 || s.Memory[1] != 7 {
		t.Errorf("second 1 is %d %d %d %d, gauges %d %d", s.Requests[1], s.App[1], s.ClientErrors[1], s.ServerErrors[1], s.Running[1], s.Memory[1])
	}
	if s.Requests[2] != 0 || s.Requests[4] != 0 {
		t.Errorf("the seconds after it are %v", s.Requests)
	}
	if len(s.Lanes) != 2 || s.Lanes[0].Requests[1] != 100 || s.Lanes[1].Requests[1] != 0 {
		t.Fatalf("lanes: %+v", s.Lanes)
	}
	if p := s.Lanes[0].P50[1]; p < 0.043 || p > 0.057 {
		t.Errorf("the median of 1 to 100 ms is %v", p)
	}
	if w := got.Lanes[0]; w.Requests != 100 || w.Total.P99 < 0.087 || w.Total.P99 > 0.112 || w.Run.Max < 0.0017 || w.Run.Max > 0.0023 || w.Total.P90 < w.Total.P50 {
		t.Errorf("the last minute of fast is %+v", w)
	}
}

func TestAMinuteIsForgotten(t *testing.T) {
	r := New("fast")
	at := time.Unix(1000, 0)
	r.Request(200, "fast", 0, 0, time.Second)
	for i := range keptSeconds + 50 {
		r.Turn(at.Add(time.Duration(i)*time.Second), Gauges{})
		if n := r.Record().Lanes[0].Requests; i <= 60 && n != 1 || i > 70 && n != 0 {
			t.Fatalf("after %d s the last minute has %d requests", i, n)
		}
	}
	if n := len(r.Record().Series.Requests); n != keptSeconds {
		t.Errorf("%d seconds are kept", n)
	}
}

func TestEventsAreBounded(t *testing.T) {
	r := New()
	for range keptEvents + 5 {
		r.Event(Event{Kind: KindError, Text: string(make([]byte, 2*keptText))})
	}
	got := r.Record()
	if len(got.Events) != keptEvents || got.Dropped != 5 || len(got.Events[0].Text) > keptText+3 || got.Events[0].Time == 0 {
		t.Errorf("%d events, %d dropped, text of %d bytes at %v", len(got.Events), got.Dropped, len(got.Events[0].Text), got.Events[0].Time)
	}
}

func BenchmarkRequest(b *testing.B) {
	r := New("fast", "slow")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Request(200, "fast", time.Microsecond, time.Millisecond, 2*time.Millisecond)
		}
	})
}

func TestJournal(t *testing.T) {
	var j Journal
	if got := j.Since(0, 10, true); len(got) != 0 {
		t.Errorf("an empty journal has %d lines", len(got))
	}
	for range keptLines + 10 {
		j.Add(Line{Message: string(make([]byte, 2*keptText))})
	}
	for _, c := range []struct {
		since       uint64
		n           int
		latest      bool
		first, last uint64
	}{
		{0, 3, true, keptLines + 8, keptLines + 10},
		{0, 3, false, 11, 13},
		{keptLines + 9, 10, false, keptLines + 10, keptLines + 10},
		{5, 1 << 30, false, 11, 510},
	} {
		got := j.Since(c.since, c.n, c.latest)
		if len(got) == 0 || got[0].Number != c.first || got[len(got)-1].Number != c.last {
			t.Errorf("%+v: %d lines, %d to %d", c, len(got), got[0].Number, got[len(got)-1].Number)
		}
	}
	for _, since := range []uint64{keptLines + 10, 1 << 63} {
		if got := j.Since(since, 10, false); len(got) != 0 {
			t.Errorf("behind %d there are %d lines", since, len(got))
		}
	}
	if got := j.Since(0, -1, true); len(got) != 0 {
		t.Errorf("less than no lines are %d", len(got))
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	r := New("fast")
	at := time.Unix(1_800_000_000, 0)
	turn := func(seconds int) {
		for range seconds {
			at = at.Add(time.Second)
			r.Request(200, "fast", 0, time.Millisecond, time.Millisecond)
			r.Turn(at, Gauges{})
		}
	}
	since := func(m Mark) (seconds, events int, dropped uint64) {
		rec := r.Record()
		whole := rec.Mark()
		rec.After(m)
		if got := rec.Mark(); got != whole {
			t.Errorf("the mark is %v, and %v when cut", whole, got)
		}
		l := rec.Series.Lanes[0]
		for _, n := range []int{len(rec.Series.App), len(rec.Series.Memory), len(l.Requests), len(l.P50), len(l.P99), len(l.Queue99)} {
			if n != len(rec.Series.Requests) {
				t.Errorf("lists of %d and %d seconds", len(rec.Series.Requests), n)
			}
		}
		return len(rec.Series.Requests), len(rec.Events), rec.Dropped
	}
	want := func(what string, m Mark, seconds, events int, dropped uint64) {
		t.Helper()
		if s, e, d := since(m); s != seconds || e != events || d != dropped {
			t.Errorf("%s: %d seconds, %d events after %d; want %d, %d, %d", what, s, e, d, seconds, events, dropped)
		}
	}
	want("nothing", Mark{}, 0, 0, 0)
	turn(10)
	r.Event(Event{Kind: KindServer})
	want("the beginning", Mark{}, 10, 1, 0)
	rec := r.Record()
	m := rec.Mark()
	want("no news", m, 0, 0, 1)
	turn(3)
	r.Event(Event{Kind: KindServer})
	want("news", m, 3, 1, 1)
	turn(keptSeconds)
	for range keptEvents {
		r.Event(Event{Kind: KindServer})
	}
	want("more than is kept", m, keptSeconds, keptEvents, 2)
	rec = r.Record()
	m = rec.Mark()
	at = at.Add(-time.Hour)
	turn(1)
	want("a clock that was set back", m, keptSeconds, 0, keptEvents+2)
}
