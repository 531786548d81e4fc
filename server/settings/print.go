package settings

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Print returns all settings as --print-config shows them, name = value in the
// order of the alphabet, values as Python writes them, and those of gounicorn
// alone with their prefix. dir is the folder the
// server was started in; uid and gid are its user and group, which it keeps
// when none are set.
func (v *Values) Print(dir string, uid, gid int) string {
	width := 0
	rows := make([]*Setting, len(All))
	for i := range All {
		rows[i] = &All[i]
		width = max(width, len(All[i].FileName()))
	}
	slices.SortFunc(rows, func(a, b *Setting) int { return strings.Compare(a.FileName(), b.FileName()) })
	var b strings.Builder
	for _, s := range rows {
		text := v.python(s)
		switch {
		case s.Name == "chdir" && !filepath.IsAbs(v.Chdir):
			text = filepath.Join(dir, v.Chdir)
		case s.Name == "statsd_host" && v.StatsdHost != "":
			if path, host, port, _ := statsdAddress(v.StatsdHost); path != "" {
				text = path
			} else {
				text = fmt.Sprintf("(%s, %d)", reprString(host), port)
			}
		case s.Name == "user" && v.User == "":
			text = fmt.Sprint(uid)
		case s.Name == "group" && v.Group == "":
			text = fmt.Sprint(gid)
		}
		fmt.Fprintf(&b, "%-*s = %s\n", width, s.FileName(), text)
	}
	return b.String()
}

// hookClasses are gunicorn's classes whose names do not follow from the hook's.
var hookClasses = map[string]string{
	"post_fork": "Postfork", "pre_fork": "Prefork", "nworkers_changed": "NumWorkersChanged", "ssl_context": "NewSSLContext",
}

// noHook is how gunicorn shows a hook that the config file does not have: the
// function of its own that does nothing, such as <OnExit.on_exit()>.
func noHook(name string) string {
	class := hookClasses[name]
	if class == "" {
		for word := range strings.SplitSeq(name, "_") {
			class += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return "<" + class + "." + name + "()>"
}

// python is the value of s as Python's str() writes it.
func (v *Values) python(s *Setting) string {
	unset := v.origins[s.Name].Layer == FromDefault
	if s.Kind == Hook {
		if c, ok := v.Hook(s.Name); ok {
			return c.String()
		}
		return noHook(s.Name)
	}
	switch x := v.field(s.Name).Interface().(type) {
	case bool:
		if unset && s.Const != "" {
			return "None" // not decided, which is on
		}
		return pythonBool(x)
	case int:
		if x == 0 && s.Kind == Auto {
			return autoText
		}
		return fmt.Sprint(x)
	case time.Duration:
		return fmt.Sprint(x.Seconds())
	case []string:
		if s.Kind == Comma && s.Default == "" { // one text in gunicorn
			if len(x) == 0 {
				return "None"
			}
			return strings.Join(x, ",")
		}
		return reprList(x)
	case []Address:
		items := make([]string, len(x))
		for i, a := range x {
			items[i] = a.String()
		}
		return reprList(items)
	case IPSet:
		return reprList(x.Items())
	case map[string]string:
		return pythonRepr(v.dicts[s.Name])
	case json.RawMessage:
		return pythonRepr(s.conceal(x))
	default:
		text := v.Text(s.Name)
		if text == "" && unset && !s.Blank {
			return "None"
		}
		return text
	}
}

// CheckPaths returns an error for a folder or file that a setting needs at
// once and that is not there. exists gets the path as it was written; relative
// ones count from the folder the server was started in.
func (v *Values) CheckPaths(exists func(path string) bool) error {
	if v.Chdir != "" && !exists(v.Chdir) {
		return &ValueError{
			Setting: Lookup("chdir"), From: v.Origin("chdir"), Value: v.Chdir,
			Problem: fmt.Sprintf("can't chdir to %s; there is no such folder", reprString(v.Chdir)),
		}
	}
	for _, file := range v.ReloadExtraFiles {
		if !strings.ContainsAny(file, "*?[") && !exists(file) {
			return &ValueError{
				Setting: Lookup("reload_extra_files"), From: v.Origin("reload_extra_files"), Value: file,
				Problem: fmt.Sprintf("File %s does not exists; a pattern such as templates/*.html may match nothing", file),
			}
		}
	}
	return nil
}
