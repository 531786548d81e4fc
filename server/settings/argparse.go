package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// helpFlag and versionFlag are the flags that are no settings.
var (
	helpFlag    = &Setting{Name: "help", Flags: []string{"-h", "--help"}, Kind: Bool}
	versionFlag = &Setting{Name: "version", Flags: []string{"-v", "--version"}, Kind: Bool}
)

// flagTable maps every flag to its row.
var flagTable = func() map[string]*Setting {
	table := map[string]*Setting{}
	for _, s := range []*Setting{helpFlag, versionFlag} {
		for _, f := range s.Flags {
			table[f] = s
		}
	}
	for i := range All {
		for _, f := range All[i].Flags {
			table[f] = &All[i]
		}
	}
	return table
}()

// longFlags are the names that a prefix is compared with: those gunicorn has
// and, only where no such one begins so, our own. An abbreviation that is
// unique in gunicorn thus means the same here.
var longFlags = func() (names [2][]string) {
	names[0] = []string{"--help", "--version"}
	for i := range All {
		for _, f := range All[i].Flags {
			if !strings.HasPrefix(f, "--") {
				continue
			}
			if All[i].Origin == Gunicorn {
				names[0] = append(names[0], f)
			} else {
				names[1] = append(names[1], f)
			}
		}
	}
	return names
}()

// word is one argument as argparse sees it.
type word struct {
	text     string
	isFlag   bool
	setting  *Setting // nil for an unknown flag
	flag     string   // the full name of the flag
	value    string   // written in the same word
	hasValue bool
}

// negativeNumber is a word that begins with a dash and is a value.
var negativeNumber = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// classify tells a flag from a value.
func classify(text string) (word, error) {
	w := word{text: text}
	if len(text) < 2 || text[0] != '-' {
		return w, nil
	}
	if s := flagTable[text]; s != nil {
		w.isFlag, w.setting, w.flag = true, s, text
		return w, nil
	}
	name, value, hasValue := strings.Cut(text, "=")
	if s := flagTable[name]; s != nil && hasValue {
		w.isFlag, w.setting, w.flag, w.value, w.hasValue = true, s, name, value, true
		return w, nil
	}
	if !strings.HasPrefix(text, "--") {
		if s := flagTable[text[:2]]; s != nil {
			w.isFlag, w.setting, w.flag, w.value, w.hasValue = true, s, text[:2], text[2:], true
			return w, nil
		}
	} else {
		for _, names := range longFlags {
			var matches []string
			for _, f := range names {
				if strings.HasPrefix(f, name) {
					matches = append(matches, f)
				}
			}
			if len(matches) > 1 {
				return w, &UsageError{Text: fmt.Sprintf("ambiguous option: %s could match %s", text, strings.Join(matches, ", "))}
			}
			if len(matches) == 1 {
				w.isFlag, w.setting, w.flag, w.value, w.hasValue = true, flagTable[matches[0]], matches[0], value, hasValue
				return w, nil
			}
		}
	}
	w.isFlag = !negativeNumber.MatchString(text) && !strings.Contains(text, " ")
	return w, nil
}

// parseArgs reads one list of arguments as gunicorn's argparse does. The
// positional arguments are those of the first place that has some; app is the
// first of them. Positional arguments in a second place are an error.
func parseArgs(args []string, layer Layer) (flags []given, app string, err error) {
	words := make([]word, 0, len(args))
	end := len(args) // where the words are no longer flags
	for i, arg := range args {
		if i < end && arg == "--" {
			end = i
		}
		if i >= end {
			words = append(words, word{text: arg})
			continue
		}
		w, err := classify(arg)
		if err != nil {
			return nil, "", err
		}
		words = append(words, w)
	}
	var unknown []string
	scratch := defaults() // shows what is no number at all
	hadPositionals := false
	for i := 0; i < len(words); {
		w := words[i]
		switch {
		case !w.isFlag:
			first := i
			for i < len(words) && !words[i].isFlag {
				i++
			}
			if hadPositionals {
				unknown = append(unknown, args[first:i]...)
				continue
			}
			hadPositionals = true
			place := slices.Clone(args[first:i])
			if end >= first && end < i { // the -- itself
				place = slices.Delete(place, end-first, end-first+1)
			}
			if len(place) > 0 {
				app = place[0]
			}
		case w.setting == nil:
			unknown = append(unknown, w.text)
			i++
		default:
			i++
			if i < len(words) && i != end && !words[i].isFlag {
				used, more, err := w.take(&words[i], layer, &scratch)
				if err != nil {
					return nil, "", err
				}
				flags = append(flags, more...)
				if used {
					i++
				}
				continue
			}
			_, more, err := w.take(nil, layer, &scratch)
			if err != nil {
				return nil, "", err
			}
			flags = append(flags, more...)
		}
	}
	if len(unknown) > 0 {
		return nil, "", &UsageError{Text: "unrecognized arguments: " + strings.Join(unknown, " ")}
	}
	return flags, app, nil
}

// take returns what the flags in w say, which may be several short ones. next
// is the value that follows, nil if none does; used reports whether it was
// needed.
func (w word) take(next *word, layer Layer, scratch *Values) (used bool, flags []given, err error) {
	s, name, value, hasValue := w.setting, w.flag, w.value, w.hasValue
	var asked error
	for {
		g := given{setting: s, value: s.Const, from: Origin{Layer: layer, Name: name}}
		if !s.takesValue() {
			switch s {
			case helpFlag:
				asked = first(asked, ErrHelp)
			case versionFlag:
				asked = first(asked, ErrVersion)
			default:
				if g.value == "" {
					g.value = "true"
				}
				flags = append(flags, g)
			}
			if !hasValue {
				return false, flags, asked
			}
			// -Rw4: the letters after a switch are flags
			if strings.HasPrefix(name, "--") || value == "" || flagTable["-"+value[:1]] == nil {
				return false, nil, &UsageError{Text: fmt.Sprintf("argument %s: ignored explicit argument %s", s.label(), reprString(value))}
			}
			name = "-" + value[:1]
			s, value = flagTable[name], value[1:]
			hasValue = value != ""
			continue
		}
		switch {
		case hasValue:
			g.value = value
		case next != nil:
			g.value, used = next.text, true
		case !s.optional():
			return false, nil, &UsageError{Text: fmt.Sprintf("argument %s: expected one argument", s.label())}
		}
		if err := s.assign(scratch, g.value, false); err != nil && s.Name != "cert_reqs" {
			var bad malformed
			if errors.As(err, &bad) {
				return false, nil, &UsageError{Text: fmt.Sprintf("argument %s: invalid value %s: %s", s.label(), reprString(g.value), bad.text)}
			}
		}
		return used, append(flags, g), asked
	}
}

// first returns the first error that is one.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
