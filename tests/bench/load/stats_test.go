package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"syscall"
	"testing"
	"time"
)

func TestSummariseTakesNearestRank(t *testing.T) {
	var all []time.Duration
	for i := 200; i >= 1; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	got := summarise(all)
	want := latencies{P50: 100, P90: 180, P99: 198, Max: 200}
	if got != want {
		t.Errorf("summarise(200..1 ms) = %+v, want %+v", got, want)
	}
	if got := summarise(nil); got != (latencies{}) {
		t.Errorf("summarise(nil) = %+v, want zero", got)
	}
}

func TestReasonGroupsEqualFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{statusError(502), "status 502"},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), "connection reset"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "connection closed"},
		{errors.New("odd"), "odd"},
		{&url.Error{Op: "Post", URL: "http://host/nonce-1", Err: errors.New("odd")}, "odd"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("reason(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}
