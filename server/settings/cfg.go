package settings

import (
	"encoding/json"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cfg returns the settings as the cfg of gunicorn has them, for JSON: by
// name, without hooks, "" as nil where gunicorn has None. Settings that are
// gounicorn's own are among them.
func (v *Values) Cfg() map[string]any {
	values := make(map[string]any, len(All))
	for i := range All {
		s := &All[i]
		if f := v.field(s.Name); f.IsValid() {
			values[s.Name] = s.python(f)
		}
	}
	return values
}

// nativeLoggers are the classes whose work the master does.
var nativeLoggers = []string{"", "simple", "gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd"}

// LogsInPython reports whether the configuration has a logger of its own, so
// that the logs are written with Python's logging.
func (v *Values) LogsInPython() bool {
	native := slices.Contains(nativeLoggers, v.LoggerClass) || strings.HasPrefix(v.LoggerClass, "egg:gunicorn#")
	return !native || v.HasLogConfig()
}

// HasLogConfig reports whether there is a configuration of Python's logging.
func (v *Values) HasLogConfig() bool {
	var dict map[string]any
	_ = json.Unmarshal(v.LogConfigDict, &dict) // it has been checked
	return v.LogConfig != "" || v.LogConfigJSON != "" || len(dict) > 0
}

// DefaultCfg returns the same before anything is set.
func DefaultCfg() map[string]any {
	v := defaults()
	return v.Cfg()
}

// python returns the value of a field as gunicorn's cfg has it.
func (s *Setting) python(f reflect.Value) any {
	switch s.Name {
	case "sendfile":
		if f.Bool() {
			return nil // only a False means anything
		}
	case "statsd_host":
		if host, port, err := net.SplitHostPort(f.String()); err == nil {
			if n, err := strconv.Atoi(port); err == nil {
				return []any{host, n}
			}
		}
	case "pythonpath": // a list in ours only
		return textOrNone(strings.Join(f.Interface().([]string), ","))
	}
	switch x := f.Interface().(type) {
	case time.Duration:
		if x%time.Second == 0 {
			return int64(x / time.Second)
		}
		return x.Seconds()
	case []Address:
		texts := make([]string, len(x))
		for i, a := range x {
			texts[i] = a.String()
		}
		return texts
	case Address:
		return textOrNone(x.String())
	case []string:
		return append([]string{}, x...) // never null
	case IPSet:
		return append([]string{}, x.Items()...)
	case json.RawMessage:
		if len(x) == 0 {
			return map[string]any{}
		}
		return s.conceal(x)
	case string:
		if s.Blank {
			return x
		}
		return textOrNone(x)
	default:
		return x
	}
}

func textOrNone(text string) any {
	if text == "" {
		return nil
	}
	return text
}
