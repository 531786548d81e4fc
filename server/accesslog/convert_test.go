package accesslog_test

import (
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
)

// What CPython 3.11 makes of the same formats for D=1234567 and m="GET".
func TestConversionsAreThoseOfPython(t *testing.T) {
	for format, want := range map[string]string{
		"%(D)x":       "12d687",
		"%(D)#x":      "0x12d687",
		"%(D)X":       "12D687",
		"%(D)o":       "4553207",
		"%(D)#o":      "0o4553207",
		"%(D)f":       "1234567.000000",
		"%(D).2f":     "1234567.00",
		"%(D)e":       "1.234567e+06",
		"%(D)g":       "1.23457e+06",
		"%(D)G":       "1.23457E+06",
		"%(D)10.3d":   "   1234567",
		"%(D)+d":      "+1234567",
		"%(D)-12d|":   "1234567     |",
		"%(D) d":      " 1234567",
		"%(D)012d":    "000001234567",
		"%(D)+012.1f": "+001234567.0",
		"%(D)#010x":   "0x0012d687",
		"%(D)ld":      "1234567",
		"%(D)u":       "1234567",
		"%(D)12s|":    "     1234567|",
		"%(D)-12s|":   "1234567     |",
		"%(D).3s":     "123",
		"%(D)r":       "1234567",
		"%(m)r":       "'GET'",
		"%(m)a":       "'GET'",
		"%(m)6r":      " 'GET'",
		"%(m).2s":     "GE",
		"%(m)hs":      "GET",
		"%(x(y))s":    "-",
	} {
		f, err := accesslog.Compile(format)
		if err != nil {
			t.Error(err)
			continue
		}
		e := accesslog.Entry{Duration: 1234567 * time.Microsecond, Method: []byte("GET")}
		if got := string(f.Append(nil, &e)); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}
