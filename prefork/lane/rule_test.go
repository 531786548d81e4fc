package lane

import (
	"strings"
	"testing"
	"time"
)

func TestRulesAreRead(t *testing.T) {
	r, err := ParseRule("GET /contract/*/download=pdf,concurrency=2,queue=50,deadline=2.5,priority=15")
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "GET" || r.Path != "/contract/*/download" || r.Lane != "pdf" || r.Concurrency != 2 || r.Queue != 50 ||
		r.Deadline != 2500*time.Millisecond || r.Priority == nil || *r.Priority != 15 {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{
		"/=fast", "/a/**=slow", "GET /contract/*/download=pdf,concurrency=2,queue=50,deadline=2.5,priority=15", "/a=b=c", "/x,y=z,priority=0",
	} {
		r, err := ParseRule(text)
		if err != nil || r.String() != text {
			t.Errorf("%s: %q, %v", text, r, err)
		}
	}
}

func TestRulesThatMeanNothingAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":            "PATTERN=NAME",
		"/a":          "PATTERN=NAME",
		"a=slow":      "begin with /",
		"get /a=slow": "method",
		"/a=":         "name of a lane",
		"/a=Slow":     "name of a lane",
		"/a=new":      "nothing is known",
		"/a=" + "x1234567890123456789012345678901234": "name of a lane",
		"/a/**/b=slow":            "comes last",
		"/a/b*=slow":              "whole segment",
		"/a/7/b=slow":             "identifier",
		"/a/report-2024=slow":     "identifier",
		"/a b=slow":               "method",
		"GET /a b=slow":           "space",
		"/a=slow,speed=3":         "no limit",
		"/a=slow,":                "no limit",
		"/a=slow,concurrency=0":   "from 1",
		"/a=slow,concurrency=x":   "from 1",
		"/a=slow,deadline=0":      "seconds",
		"/a=slow,deadline=NaN":    "seconds",
		"/a=slow,deadline=1e30":   "seconds",
		"/a=slow,priority=-1":     "from 0",
		"/a=slow,queue=999999999": "from 1",
	} {
		if r, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, r, err, want)
		}
	}
}

func TestPatternsMatchRouteKeys(t *testing.T) {
	for pattern, keys := range map[string]struct{ yes, no string }{
		"/":                    {"GET /", "GET /a"},
		"/a":                   {"GET /a|POST /a", "GET /|GET /a/|GET /ab|GET /a/b"},
		"GET /a":               {"GET /a", "POST /a|GETX /a"},
		"/a/":                  {"GET /a/", "GET /a"},
		"/contract/*/download": {"GET /contract/:n/download|GET /contract/x/download", "GET /contract//download|GET /contract/:n|GET /contract/:n/download/x"},
		"/a/**":                {"GET /a|GET /a/|GET /a/b|GET /a/b/c/", "GET /ab|GET /b/a"},
		"/**":                  {"GET /|GET /a/b", "GET|GET *|"},
		"/*":                   {"GET /a", "GET /|GET /a/b"},
	} {
		r, err := ParseRule(pattern + "=slow")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Split(keys.yes, "|") {
			if !r.matches([]byte(key)) {
				t.Errorf("%s does not match %q", pattern, key)
			}
		}
		for _, key := range strings.Split(keys.no, "|") {
			if r.matches([]byte(key)) {
				t.Errorf("%s matches %q", pattern, key)
			}
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, text := range []string{"/=fast", "GET /a/*/b/**=x,concurrency=1,queue=2,deadline=0.5,priority=3", "/a=b=c", "=,=", "/x,y=z"} {
		f.Add(text, "GET /a/b")
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q is written as %q, which is read as %q, %v", text, r, again, err)
		}
		if r.matches([]byte(key)) != again.matches([]byte(key)) {
			t.Errorf("%q and %q differ in what they match", text, r)
		}
	})
}
