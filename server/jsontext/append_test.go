package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gounicorn/gounicorn/server/jsontext"
)

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "plain": `"plain"`, `a"b\c`: `"a\"b\\c"`, "a\nb\r\t": `"a\nb\r\t"`, "\x00\x1b[31m\x7f": `"\u0000\u001b[31m\u007f"`,
		"\u00e9\u20ac": "\"\u00e9\u20ac\"", "\xe9": "\"\u00e9\"", "\u2028\u202e\u0085": `"\u2028\u202e\u0085"`, "\x85": `"\u0085"`, "\U0001f984": "\"\U0001f984\"",
	} {
		if got := string(jsontext.AppendString(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestAppendTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 4, 5, 67_890_000, time.FixedZone("", 3600))
	if got := string(jsontext.AppendTime(nil, at)); got != `"2026-11-22T13:04:05.067+01:00"` {
		t.Error(got)
	}
}

// Whatever comes in, one line of valid JSON comes out, and it reads as what went in when that was text.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b", "\xff\xfe", "\u2028", "\xed\xa0\x80", "a\x00b\n", "\U0001f984"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := jsontext.AppendString(nil, []byte(s))
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q gives %s: %v", s, out, err)
		}
		if utf8.ValidString(s) && back != s {
			t.Fatalf("%q comes back as %q", s, back)
		}
		if !utf8.Valid(out) || strings.ContainsAny(string(out), "\n\r\u2028\u2029\u0085\x00\x1b") {
			t.Fatalf("%q gives %q", s, out)
		}
	})
}
