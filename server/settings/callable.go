package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Callable is a function, class or other object of the config file that can be
// called; it stays in the process that has read the file.
type Callable struct {
	Name string // module.qualname, or the dotted name that the file gives
	Min  int    // positional arguments it needs
	Max  int    // positional arguments it takes, -1 for any number
}

// String is how gunicorn prints it.
func (c Callable) String() string {
	return "<" + c.Name[strings.LastIndexByte(c.Name, '.')+1:] + "()>"
}

// callableDocument is a Callable in the config document.
type callableDocument struct {
	Name  string `json:"$callable"`
	Arity []*int `json:"arity"`
}

// parseCallable reads what the config document has for an object, ok false if
// it is something else.
func parseCallable(raw json.RawMessage) (c Callable, ok bool) {
	var doc callableDocument
	if json.Unmarshal(raw, &doc) != nil || doc.Name == "" {
		return Callable{}, false
	}
	c = Callable{Name: doc.Name, Max: -1}
	if len(doc.Arity) > 0 && doc.Arity[0] != nil {
		c.Min = *doc.Arity[0]
	}
	if len(doc.Arity) > 1 && doc.Arity[1] != nil {
		c.Max = *doc.Arity[1]
	}
	return c, true
}

// takes reports whether the callable may be called with n arguments, as
// gunicorn counts: those with a default value count too.
func (c Callable) takes(n int) bool {
	if c.Max < 0 {
		return c.Min <= n
	}
	return c.Max == n
}

// hook reads the value of a hook.
func (s *Setting) hook(raw json.RawMessage) (Callable, error) {
	c, ok := parseCallable(raw)
	if !ok {
		var name string
		if json.Unmarshal(raw, &name) != nil || string(raw) == "null" {
			return Callable{}, fmt.Errorf("Value is not callable: %s; write a function, def %s(%s)", pythonText(raw), s.Name, s.Metavar)
		}
		if !strings.Contains(name, ".") {
			return Callable{}, fmt.Errorf("Value '%s' is not import string. Format: module[.submodules...].object", name)
		}
		return Callable{Name: name, Max: -1}, nil // what it takes shows when it is called
	}
	if !slices.ContainsFunc(s.Arity, c.takes) {
		return Callable{}, fmt.Errorf("Value must have an arity of: %d, as in def %s(%s)", slices.Max(s.Arity), s.Name, s.Metavar)
	}
	return c, nil
}
