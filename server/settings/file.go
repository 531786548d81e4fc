package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
)

// File is what the zygote found in the config file: the config document. A nil
// File is no config file.
type File struct {
	Path      string                     `json:"path"`      // as the log names it, "" for none
	Values    map[string]json.RawMessage `json:"values"`    // the names of FileNames that the file sets
	Framework map[string]json.RawMessage `json:"framework"` // what the application's own file sets (PasteDeploy), below Values
	Unknown   []string                   `json:"unknown"`   // the file's other names
	Warnings  []string                   `json:"warnings"`
}

// ParseFile reads a config document.
func ParseFile(document []byte) (*File, error) {
	f := &File{}
	if err := json.Unmarshal(document, f); err != nil {
		return nil, fmt.Errorf("the config document cannot be read: %w", err)
	}
	return f, nil
}

// ownPrefix stands before the name of a setting of gounicorn alone in a config
// file, so that a helper variable of a file written for gunicorn, such as
// max_threads, is never taken for a setting.
const ownPrefix = "gounicorn_"

// ownFile is the config file in which the prefix may be left out.
const ownFile = "gounicorn.conf.py"

// FileNames returns every name that can be a setting in a config file, sorted.
func FileNames() []string {
	var names []string
	for i := range All {
		s := &All[i]
		names = append(names, s.Name)
		if s.Origin == Gounicorn {
			names = append(names, ownPrefix+s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// apply gives v the values of the file.
func (f *File) apply(v *Values) error {
	if f == nil {
		return nil
	}
	if err := v.fromDocument(f.Framework, Origin{Layer: FromFramework, Name: "the file of PasteDeploy"}, true); err != nil {
		return err
	}
	v.Warnings = append(v.Warnings, f.Warnings...)
	own := path.Base(f.Path) == ownFile
	if err := v.fromDocument(f.Values, Origin{Layer: FromFile, Name: f.Path}, own); err != nil {
		return err
	}
	for _, name := range f.Unknown {
		if near := Nearest(name); near != "" {
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s: %s is no setting and has no effect; did you mean %s?", f.Path, name, near))
		}
	}
	return nil
}

// fromDocument applies values in the order of their names, so that of two
// mistakes it is always the same that is reported.
func (v *Values) fromDocument(values map[string]json.RawMessage, from Origin, own bool) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		plain, prefixed := strings.CutPrefix(name, ownPrefix)
		s := Lookup(plain)
		switch {
		case s == nil || prefixed && s.Origin != Gounicorn:
			continue // a newer zygote than we are
		case s.Origin == Gounicorn && !prefixed && !own && !s.Plain:
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s: %s has no effect, as with gunicorn; for gounicorn's setting write %s%[2]s", from.Name, name, ownPrefix))
			continue
		case s.Name == "config":
			continue // the file that is read cannot name another; gunicorn passes over it too
		case s.Outside:
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s: %s has no effect here, it is needed before the file is read; give it as %s", from.Name, name, s.label()))
			continue
		}
		if err := s.assignJSON(v, values[name]); err != nil {
			return &ValueError{Setting: s, From: from, Value: pythonText(s.conceal(values[name])), Problem: err.Error()}
		}
		if string(values[name]) == "null" {
			delete(v.origins, s.Name)
		} else {
			v.origins[s.Name] = from
		}
	}
	return nil
}

// assignJSON gives the field of s a value of the config file, with gunicorn's
// coercions. An error is the problem alone.
func (s *Setting) assignJSON(v *Values, raw json.RawMessage) error {
	if s.Kind == Hook {
		c, err := s.hook(raw)
		if err == nil {
			v.hooks[s.Name] = c
		}
		return err
	}
	var x any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		return errors.New("it cannot be carried over from Python")
	}
	if s.Name == "ssl_version" {
		v.SSLVersion = pythonText(raw) // gunicorn takes anything and uses nothing
		return nil
	}
	switch s.Kind {
	case Dict, JSON:
		return s.assignDict(v, raw)
	case List, Bind:
		return s.assignItems(v, x)
	case Bool:
		return s.assignBool(v, x)
	case Int, Auto, Octal, Seconds, Bytes:
		return s.assignNumber(v, x)
	}
	switch x := x.(type) {
	case nil:
		return s.reset(v)
	case string:
		return s.assign(v, x, false)
	case bool:
		if len(synonyms[s.Name]) > 0 {
			return s.assign(v, fmt.Sprint(x), false)
		}
	case json.Number:
		if _, err := x.Int64(); err == nil && (s.Name == "user" || s.Name == "group") {
			return s.assign(v, x.String(), false)
		}
	case map[string]any:
		if c, ok := parseCallable(raw); ok && s.Kind == Class {
			return s.assign(v, c.Name, false)
		}
	}
	return fmt.Errorf("it must be a text%s", s.example())
}

// example shows a text that s takes.
func (s *Setting) example() string {
	if s.Default == "" || s.Kind == Dict {
		return ""
	}
	return ", such as " + reprString(s.Default)
}

// reset gives s the value that None means in a config file.
func (s *Setting) reset(v *Values) error {
	if len(s.Choices) > 0 && s.Kind == String {
		return s.assign(v, s.Default, false)
	}
	f := v.field(s.Name)
	f.SetZero()
	return nil
}

// assignItems reads a list of texts; a single text is a list of one.
func (s *Setting) assignItems(v *Values, x any) error {
	var items []any
	switch x := x.(type) {
	case string:
		if x != "" {
			items = []any{x}
		}
	case []any:
		items = x
	default:
		if !isEmpty(x) {
			return errors.New("it must be a list of texts")
		}
	}
	if len(items) == 0 {
		if s.Kind == Bind {
			return fmt.Errorf("it names no address; leave it out for %s", s.Default)
		}
		return s.reset(v)
	}
	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			return fmt.Errorf("it must be a list of texts, and item %d is none", i+1)
		}
		if err := s.assign(v, strings.TrimSpace(text), i > 0); err != nil {
			return err
		}
	}
	return nil
}

// isEmpty reports whether x is false for Python, which gunicorn takes for an
// empty list.
func isEmpty(x any) bool {
	switch x := x.(type) {
	case nil:
		return true
	case bool:
		return !x
	case json.Number:
		n, err := x.Float64()
		return err == nil && n == 0
	case map[string]any:
		return len(x) == 0
	}
	return false
}

func (s *Setting) assignBool(v *Values, x any) error {
	on := false
	switch x := x.(type) {
	case nil:
		if s.Const != "" {
			return s.assign(v, s.Default, false) // None is not an explicit False
		}
	case bool:
		on = x
	case string:
		switch strings.ToLower(strings.TrimSpace(x)) {
		case "true":
			on = true
		case "false":
		default:
			return errors.New("it must be True or False")
		}
	default:
		return errors.New("it must be True or False")
	}
	v.field(s.Name).SetBool(on)
	return nil
}

// assignNumber reads a number, or a text with a number as Python's int(text, 0)
// does; seconds may have a fraction and sizes a suffix.
func (s *Setting) assignNumber(v *Values, x any) error {
	text := ""
	switch x := x.(type) {
	case bool: // a number in Python
		if text = "0"; x {
			text = "1"
		}
	case json.Number:
		text = x.String()
	case string:
		text = x
		if n, err := parsePythonInt(x, 0); err == nil {
			text = fmt.Sprint(n)
		} else if _, err := parsePythonInt(x, 10); err == nil && s.Kind != Octal {
			return fmt.Errorf("it must be a %s without a 0 in front", s.Kind)
		}
	default:
		return fmt.Errorf("it must be a %s", s.Kind)
	}
	if _, isNumber := x.(json.Number); isNumber && s.Kind == Octal {
		n, err := parsePythonInt(text, 10)
		if err != nil {
			return errors.New("it must be " + article(s.Kind))
		}
		text = fmt.Sprintf("0o%o", n) // what Python has read is a number and no notation
	}
	return s.assign(v, text, false)
}

// assignDict gives s a dictionary.
func (s *Setting) assignDict(v *Values, raw json.RawMessage) error {
	var any map[string]json.RawMessage
	if err := json.Unmarshal(raw, &any); err != nil || any == nil {
		return errors.New("it must be a dictionary")
	}
	if s.Kind == JSON {
		v.field(s.Name).Set(reflect.ValueOf(slices.Clone(raw)))
		return nil
	}
	m := make(map[string]string, len(any))
	for name, value := range any {
		var text *string
		if json.Unmarshal(value, &text) != nil || text == nil {
			return fmt.Errorf("the value of %q must be a text", name)
		}
		m[name] = *text
	}
	v.field(s.Name).Set(reflect.ValueOf(m))
	v.dicts[s.Name] = slices.Clone(raw)
	return nil
}

// nearEnough is how many letters may be wrong in a name for it to be a
// setting's.
const nearEnough = 2

// Nearest returns the name of the setting that somebody who wrote name has
// probably meant, "" if it looks like none.
func Nearest(name string) string {
	if len(name) > 64 {
		return ""
	}
	lower := strings.ToLower(name)
	best, bestName := nearEnough+1, ""
	for i := range All {
		s := &All[i]
		if s.Outside {
			continue
		}
		want := s.FileName()
		if d := distance(lower, want); d < best && d*4 < len(want) {
			best, bestName = d, want
		}
	}
	return bestName
}

// distance is the number of letters to change, add or leave out to get from a
// to b, where two that changed places count once.
func distance(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(last[j]+cost, last[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}

// Change is a setting with a new value.
type Change struct {
	Setting  *Setting
	Old, New string // as the user would type them
}

// Changed returns the settings whose values differ, in the order of All.
// Functions are new with every reading of the file and never in the list.
func Changed(old, new *Values) []Change {
	var changes []Change
	for i := range All {
		s := &All[i]
		if s.Kind == Hook {
			continue
		}
		if !reflect.DeepEqual(old.field(s.Name).Interface(), new.field(s.Name).Interface()) {
			changes = append(changes, Change{Setting: s, Old: old.Text(s.Name), New: new.Text(s.Name)})
		}
	}
	return changes
}
