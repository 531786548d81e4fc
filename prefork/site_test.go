package prefork

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/prefork/wire"
	"golang.org/x/sys/unix"
)

// One worker of a generation is asked for the site document; when it dies without a word, another one is. The first answer counts.
func TestOneWorkerTellsOfTheSite(t *testing.T) {
	var told []string
	c := newCrew(t, func(cfg *Config) {
		cfg.Site = func(generation int, document []byte) { told = append(told, fmt.Sprintf("%d %s", generation, document)) }
	})
	first := c.g.asked
	if first == nil || !slices.Contains(c.in(ready, false), first) {
		t.Fatal("none of the first workers was asked")
	}
	c.die(first, 1<<8)
	c.boot()
	second := c.g.asked
	if second == first || !slices.Contains(c.in(ready, false), second) {
		t.Fatal("the successor of the one that died was not asked")
	}
	c.p.fromWorker(second, wire.Header{Kind: wire.KindSite, A: second.id}, []byte("document"))
	c.p.fromWorker(second, wire.Header{Kind: wire.KindSite, A: second.id}, []byte("another"))
	if !slices.Equal(told, []string{"1 document"}) {
		t.Errorf("Site got %q", told)
	}
	c.die(second, 1<<8)
	c.boot()
	if c.g.asked != second {
		t.Error("a worker was asked for what is known")
	}
}

// A document that fits no packet comes in a descriptor, from a worker as from a zygote.
func TestLargeDocumentsComeInADescriptor(t *testing.T) {
	text := strings.Repeat("x", wire.MaxPacket)
	file, err := memfd("document", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	more, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	h := wire.Header{Kind: wire.KindSite, Flags: wire.FlagPayloadFD, Length: uint32(len(text))}
	if got := unpack(h, nil, []*os.File{file, more}); string(got) != text {
		t.Errorf("got %d bytes, want %d", len(got), len(text))
	}
	for _, f := range []*os.File{file, more} {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err == nil {
			t.Error("a descriptor was left open")
		}
	}
}
