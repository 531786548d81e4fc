package static

import (
	"bytes"
	"math/big"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"
)

// FuzzRanges: parts are within the body, in number and sum bounded, and have no byte in common.
func FuzzRanges(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-1,5-", "bytes=0-18446744073709551615", "bytes= 1-2 ,, 4-4", "lines=1-2", "bytes=9223372036854775807-", "bytes=0-5,3-8"} {
		f.Add([]byte(s), int64(10))
	}
	f.Fuzz(func(t *testing.T, value []byte, size int64) {
		if size < 0 {
			return
		}
		parts, verdict := parseRanges(nil, value, size)
		if verdict != rangePartial {
			return
		}
		if len(parts) == 0 || len(parts) > maxRanges {
			t.Fatalf("%d parts", len(parts))
		}
		sum := new(big.Int)
		for _, p := range parts {
			if p.start < 0 || p.length <= 0 || p.start > size-p.length {
				t.Fatalf("%+v of %d", p, size)
			}
			sum.Add(sum, big.NewInt(p.length))
		}
		if sum.Cmp(big.NewInt(size)) > 0 {
			t.Fatalf("%v of %d bytes", sum, size)
		}
	})
}

// FuzzConditions: dates are those of net/http; a list names a tag only if the tag is in it; weights are within their bounds.
func FuzzConditions(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a", "b"`, "*", `"a,b"`, "Mon, 03 Feb 2020 04:05:06 GMT", "Monday, 03-Feb-20 04:05:06 GMT", "Mon Feb  3 04:05:06 2020", `"`,
		"gzip, deflate, br", "*;q=0", "identity;q=0, *;q=0.5", "br;q=1.001", "gzip ; q=0.123", ";q=1", "GZIP;Q=0.5"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		at, ok := parseDate(value)
		want, err := http.ParseTime(string(value)) // takes other zones than GMT too
		if ok && (err != nil || want.Unix() != at) || !ok && err == nil && bytes.HasSuffix(value, []byte(" GMT")) && len(value) <= maxDate {
			t.Errorf("%q: %d %v, net/http says %v %v", value, at, ok, want, err)
		}
		etag := []byte(`"7-8-gz"`)
		if strong := listed(value, etag, false); strong && !listed(value, etag, true) {
			t.Errorf("%q: strong and not weak", value)
		}
		if named := bytes.Contains(value, etag) || bytes.Contains(value, []byte("*")); listed(value, etag, true) && !named {
			t.Errorf("%q names nothing", value)
		}
		if !bytes.ContainsAny(value, `"`) && !listed(append(append([]byte(nil), etag...), append([]byte(","), value...)...), etag, false) {
			t.Errorf("the first of a list does not count: %q", value)
		}
		v := validators{etag: etag, modified: 7, lastModified: []byte("x")}
		a := asked{ifMatch: value, ifNoneMatch: value, ifRange: value}
		if v.rangeHolds(&a) && v.preconditions(&asked{ifMatch: value}) == 412 && at != 7 && string(value) != "x" {
			t.Errorf("%q holds for a range and not for If-Match", value)
		}
		for c, q := range accepted(value) {
			if q < 0 || q > 1000 {
				t.Errorf("%q: %d of %s", value, q, codingTable[c].name)
			}
			if q > 0 && coding(c) != identity && !bytes.Contains(bytes.ToLower(value), []byte(codingTable[c].name)) && !bytes.Contains(value, []byte("*")) {
				t.Errorf("%q: %s was not asked for", value, codingTable[c].name)
			}
		}
	})
}

// FuzzCleanPath: package path says the same of what does not lead out; what isClean leaves alone is clean.
func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "//a///b/", "/a/./b/../c", "/..", "/a/../..", "/.", "/a/..", "/...", "a", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		clean, ok := cleanPath(nil, []byte(p))
		if isClean([]byte(p)) && (!ok || string(clean) != p) {
			t.Errorf("isClean(%q), but cleaned it is %q", p, clean)
		}
		if !ok {
			return
		}
		want := path.Clean(p)
		if last := p[strings.LastIndexByte(p, '/')+1:]; (last == "" || last == "." || last == "..") && want != "/" {
			want += "/"
		}
		if string(clean) != want {
			t.Errorf("%q: got %q, want %q", p, clean, want)
		}
		if again, ok := cleanPath(nil, clean); !ok || string(again) != string(clean) {
			t.Errorf("%q: again %q", clean, again)
		}
		if servable(string(clean), DefaultHidden) {
			for _, name := range strings.Split(strings.TrimPrefix(string(clean), wellKnown), "/") {
				if strings.HasPrefix(name, ".") || strings.ContainsAny(name, "\\\x00\r\n") {
					t.Errorf("%q is servable", clean)
				}
			}
		}
	})
}

func TestDatesOfAllThreeFormats(t *testing.T) {
	at := time.Date(2031, 12, 9, 8, 7, 6, 0, time.UTC)
	for _, layout := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if got, ok := parseDate([]byte(at.Format(layout))); !ok || got != at.Unix() {
			t.Errorf("%s: %d, %v", at.Format(layout), got, ok)
		}
	}
}
