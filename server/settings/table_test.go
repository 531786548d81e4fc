package settings

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// noEnv is an empty environment.
func noEnv(string) (string, bool) { return "", false }

// envOf is an environment made of a map.
func envOf(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// fieldTypes is the Go type of each kind.
var fieldTypes = map[Kind]reflect.Type{
	Bool: reflect.TypeFor[bool](), Int: reflect.TypeFor[int](), Auto: reflect.TypeFor[int](),
	Seconds: reflect.TypeFor[time.Duration](), Bytes: reflect.TypeFor[int64](),
	String: reflect.TypeFor[string](), Path: reflect.TypeFor[string](),
	List: reflect.TypeFor[[]string](), Comma: reflect.TypeFor[[]string](),
	Bind: reflect.TypeFor[[]Address](), Listen: reflect.TypeFor[Address](),
	Octal: reflect.TypeFor[int](), IPs: reflect.TypeFor[IPSet](), Dict: reflect.TypeFor[map[string]string](),
	JSON: reflect.TypeFor[json.RawMessage](), Class: reflect.TypeFor[string](),
}

func TestEveryRowHasAFieldAndEveryFieldARow(t *testing.T) {
	fields := map[string]reflect.Type{}
	values := reflect.TypeFor[Values]()
	for i := range values.NumField() {
		f := values.Field(i)
		name := f.Tag.Get("setting")
		if name == "" {
			if f.IsExported() && f.Name != "Warnings" {
				t.Errorf("field %s has no row", f.Name)
			}
			continue
		}
		if _, twice := fields[name]; twice {
			t.Errorf("two fields for %s", name)
		}
		fields[name] = f.Type
	}
	for _, s := range All {
		if s.Kind == Hook {
			continue
		}
		got, ok := fields[s.Name]
		if !ok {
			t.Errorf("row %s has no field", s.Name)
			continue
		}
		if want := fieldTypes[s.Kind]; got != want {
			t.Errorf("field of %s is a %v, want %v for a %v", s.Name, got, want, s.Kind)
		}
		delete(fields, s.Name)
	}
	for name := range fields {
		t.Errorf("field of %s has no row", name)
	}
}

func TestRowsAreComplete(t *testing.T) {
	names, flags, envs := map[string]bool{}, map[string]bool{"-h": true, "--help": true, "-v": true, "--version": true}, map[string]string{}
	for _, s := range All {
		if names[s.Name] {
			t.Errorf("%s stands twice", s.Name)
		}
		names[s.Name] = true
		for _, f := range s.Flags {
			if flags[f] {
				t.Errorf("flag %s stands twice", f)
			}
			flags[f] = true
			if len(f) != 2 && !strings.HasPrefix(f, "--") {
				t.Errorf("%s: flag %q is neither short nor long", s.Name, f)
			}
		}
		for _, e := range s.EnvNames() {
			if other, taken := envs[e]; taken {
				t.Errorf("variable %s belongs to %s and %s", e, other, s.Name)
			}
			envs[e] = s.Name
		}
		if !slices.Contains(Sections, s.Section) {
			t.Errorf("%s: section %q is not listed", s.Name, s.Section)
		}
		if !strings.HasSuffix(s.Help, ".") || len(s.Help) < 20 {
			t.Errorf("%s: help %q is no sentence", s.Name, s.Help)
		}
		if s.takesValue() == (s.Metavar == "") {
			t.Errorf("%s: metavar %q does not fit a %v", s.Name, s.Metavar, s.Kind)
		}
		if (s.Status == Works) != (s.Note == "") || strings.HasSuffix(s.Note, ".") || (s.Kind == Hook) != (len(s.Arity) > 0) {
			t.Errorf("%s: note %q does not fit status %s, or arity %v kind %v", s.Name, s.Note, s.Status, s.Arity, s.Kind)
		}
		if s.Since == "" || s.Origin != Gunicorn && s.Origin != Gounicorn || s.Status != Works && s.Status != Accepted && s.Status != Later ||
			s.Reload != Live && s.Reload != Worker && s.Reload != Restart || s.Kind.String() == "" {
			t.Errorf("%s: since, origin, status, reload or kind is missing", s.Name)
		}
		if s.Max > 0 && s.Max < s.Min {
			t.Errorf("%s: max %d is below min %d", s.Name, s.Max, s.Min)
		}
	}
	if Lookup("no such setting") != nil {
		t.Error("Lookup finds a setting that does not exist")
	}
}

func TestDefaultsAreWhatTheTableSays(t *testing.T) {
	v, err := Parse(nil, noEnv)
	if err != nil {
		t.Fatalf("defaults: %v", err)
	}
	for _, s := range All {
		if s.Kind == Hook {
			continue
		}
		if s.Default == "" {
			if f := v.field(s.Name); !f.IsZero() {
				t.Errorf("%s: %v without a default", s.Name, f)
			}
			continue
		}
		if got := v.Text(s.Name); got != s.Default && s.Kind != Bytes {
			t.Errorf("%s: text %q, want %q", s.Name, got, s.Default)
		}
		if got := v.Origin(s.Name).String(); got != "default" {
			t.Errorf("%s: origin %q, want default", s.Name, got)
		}
	}
	if v.LimitRequestBody != 100<<20 || v.KeepAlive != 75*time.Second || v.Workers != 0 {
		t.Errorf("body %d, keepalive %v, workers %d", v.LimitRequestBody, v.KeepAlive, v.Workers)
	}
	if len(v.Warnings) > 0 {
		t.Errorf("warnings %q for the defaults", v.Warnings)
	}
}

// TestTextReadsBack holds for every kind: what Text writes, Parse understands.
func TestTextReadsBack(t *testing.T) {
	samples := map[Kind]string{
		Int: "7", Auto: "7", Seconds: "1.5", Bytes: "65536", String: "sync", Path: "/srv/x",
		Octal: "0022", IPs: "10.0.0.0/8,::1", Class: "sync", List: "A=1", Comma: "a,b", Bind: "[::1]:80", Listen: "unix:/run/m.sock",
	}
	for _, s := range All {
		if len(s.Flags) == 0 || s.Kind == Bool || s.Status == Later {
			continue
		}
		sample := samples[s.Kind]
		if len(s.Choices) > 0 {
			sample = s.Choices[len(s.Choices)-1]
		}
		if s.Name == "loglevel" {
			sample = "error"
		}
		if s.Name == "slow_reserve" {
			sample = "3"
		}
		if s.Name == "http2_max_frame_size" {
			sample = "20000"
		}
		v, err := Parse([]string{s.Flags[0], sample}, noEnv)
		if err != nil {
			t.Errorf("%s %s: %v", s.Flags[0], sample, err)
			continue
		}
		if got := v.Text(s.Name); got != sample {
			t.Errorf("%s: text %q, want %q", s.Name, got, sample)
		}
		if got := v.Origin(s.Name); got.Layer != FromCommandLine || got.Name != s.Flags[0] {
			t.Errorf("%s: origin %+v", s.Name, got)
		}
		env := s.EnvNames()
		v, err = Parse(nil, envOf(map[string]string{env[len(env)-1]: sample}))
		if err != nil || v.Text(s.Name) != sample || v.Origin(s.Name).String() != env[len(env)-1] {
			t.Errorf("%s=%s: text %q, origin %v, error %v", env[len(env)-1], sample, v.Text(s.Name), v.Origin(s.Name), err)
		}
	}
	if got := (&Values{}).Text("no such setting"); got != "" {
		t.Errorf("text of no setting is %q", got)
	}
}

func TestHelpExplainsEverySettingInWidth(t *testing.T) {
	help := Help()
	for _, s := range All {
		heading := s.headless()
		if len(s.Flags) > 0 {
			heading = strings.Join(s.Flags, ", ")
		}
		if !strings.Contains(help, "\n  "+heading) {
			t.Errorf("--help does not have %s", heading)
		}
	}
	for line := range strings.SplitSeq(help, "\n") {
		if len(line) > helpWidth {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if !strings.Contains(Usage(), "usage: gounicorn") {
		t.Error("Usage does not begin with usage")
	}
}

func TestExamplesInHelpWork(t *testing.T) {
	n := 0
	for line := range strings.SplitSeq(examples, "\n") {
		command, ok := strings.CutPrefix(line, "  gounicorn ")
		if !ok {
			continue
		}
		n++
		words, err := SplitWords(command)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if v, err := Parse(words, noEnv); err != nil || v.WSGIApp == "" {
			t.Errorf("%s: app %q, error %v", command, v.WSGIApp, err)
		}
	}
	if n == 0 {
		t.Error("no examples found")
	}
}
