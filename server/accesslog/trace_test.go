package accesslog

import (
	"bytes"
	"strings"
	"testing"
)

const (
	aTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	aParent = "00-" + aTrace + "-00f067aa0ba902b7-01"
)

func TestTraceIDFollowsTheStandard(t *testing.T) {
	for value, want := range map[string]string{
		aParent:                              aTrace,
		"cc" + aParent[2:]:                   aTrace,
		"cc" + aParent[2:] + "-what-follows": aTrace,
		"":                                   "",
		aParent[:54]:                         "",
		aParent + "-more":                    "",
		"cc" + aParent[2:] + ".more":         "",
		"ff" + aParent[2:]:                   "",
		strings.ToUpper(aParent):             "",
		strings.Replace(aParent, aTrace, strings.Repeat("0", 32), 1):             "",
		strings.Replace(aParent, "00f067aa0ba902b7", strings.Repeat("0", 16), 1): "",
		strings.Replace(aParent, "-", "_", 1):                                    "",
		strings.Replace(aParent, "4bf9", "4bg9", 1):                              "",
		aParent[:53] + "0x": "",
	} {
		if got := string(TraceID([]byte(value))); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func FuzzTraceID(f *testing.F) {
	f.Add([]byte(aParent))
	f.Add([]byte("cc" + aParent[2:] + "-x"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if id := TraceID(value); id != nil && (len(id) != 32 || !isHex(id) || bytes.Count(id, []byte{'0'}) == 32) {
			t.Errorf("%q of %q", id, value)
		}
	})
}
