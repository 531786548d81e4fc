package httpcases

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Case is one row of the table.
type Case struct {
	File      string // base name of its file, empty if generated
	Name      string // a claim
	Rule      string // where the rule is written
	Settings  Settings
	Raw       []byte // what the client sends
	HalfClose bool   // the client ends its side afterwards
	Head      bool   // the answers have no body
	Nasty     bool   // worth splitting at every offset
	Status    []int  // all answers
	Close     bool   // fate of the connection
	Saw       []string
	text      string // Raw in its visible form
}

// Settings are what a case needs of the server, beyond the defaults. Zero
// means the default.
type Settings struct {
	RequestLine   int    // bytes
	Fields        int    // lines
	FieldSize     int    // bytes
	HeadBytes     int    // bytes
	Body          int    // bytes
	Underscores   string // drop, refuse or pass
	AnyMethod     bool   // every token is a method
	MaxKeepAlives int    // requests per connection
}

// Echo is what the application answers and what saw lines contain: method,
// path, query and body, each with the bytes that are neither letters, digits
// nor one of "-._~/" as %XX, and "-" for nothing.
func Echo(method, path, query, body []byte) string {
	var b strings.Builder
	for i, part := range [][]byte{method, path, query, body} {
		if i > 0 {
			b.WriteByte(' ')
		}
		if len(part) == 0 {
			b.WriteByte('-')
		}
		for _, c := range part {
			if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("-._~/", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	return b.String()
}

// Load reads all *.txt files of a folder, in the order of their names.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var all []Case
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(filepath.Base(name), text)
		if err != nil {
			return nil, err
		}
		all = append(all, cases...)
	}
	return all, nil
}

// Parse reads the cases of one file.
func Parse(file string, text []byte) ([]Case, error) {
	var cases []Case
	names := make(map[string]bool)
	for i, line := range strings.Split(string(text), "\n") {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "== "):
			name := line[3:]
			if names[name] {
				return nil, fail("second case named %q", name)
			}
			names[name] = true
			cases = append(cases, Case{File: file, Name: name})
			continue
		case len(cases) == 0:
			return nil, fail("line outside a case")
		}
		c := &cases[len(cases)-1]
		if raw, ok := strings.CutPrefix(line, "> "); ok {
			c.text += raw
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fail("line without a key")
		}
		if err := c.set(key, strings.TrimSpace(value)); err != nil {
			return nil, fail("%v", err)
		}
	}
	for i := range cases {
		if err := cases[i].finish(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, cases[i].Name, err)
		}
	}
	return cases, nil
}

func (c *Case) set(key, value string) error {
	switch key {
	case "rule":
		c.Rule = value
	case "limits":
		return c.Settings.parse(value)
	case "end":
		c.HalfClose = value == "half-close"
		if !c.HalfClose {
			return fmt.Errorf("unknown end %q", value)
		}
	case "head":
		c.Head = value == "yes"
	case "nasty":
		c.Nasty = value == "yes"
	case "status":
		for _, f := range strings.Fields(value) {
			n, err := strconv.Atoi(f)
			if err != nil {
				return err
			}
			c.Status = append(c.Status, n)
		}
	case "fate":
		c.Close = value == "close"
		if value != "open" && value != "close" {
			return fmt.Errorf("unknown fate %q", value)
		}
	case "saw":
		if value != "nothing" {
			c.Saw = append(c.Saw, value)
		}
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func (c *Case) finish() (err error) {
	if c.Raw, err = Unescape(c.text); err != nil {
		return err
	}
	switch {
	case c.Rule == "":
		return fmt.Errorf("no rule")
	case len(c.Raw) == 0:
		return fmt.Errorf("no bytes")
	}
	return nil
}

func (s *Settings) parse(text string) error {
	for _, f := range strings.Fields(text) {
		key, value, _ := strings.Cut(f, "=")
		n, err := strconv.Atoi(value)
		switch key {
		case "line":
			s.RequestLine = n
		case "fields":
			s.Fields = n
		case "size":
			s.FieldSize = n
		case "head":
			s.HeadBytes = n
		case "body":
			s.Body = n
		case "keepalives":
			s.MaxKeepAlives = n
		case "underscores":
			s.Underscores, err = value, nil
		case "methods":
			s.AnyMethod, err = value == "any", nil
		default:
			return fmt.Errorf("unknown limit %q", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Unescape turns the visible form of bytes into bytes.
func Unescape(s string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		if i == len(s) {
			return nil, fmt.Errorf("lone backslash at the end")
		}
		switch s[i] {
		case 'r':
			out = append(out, '\r')
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case '0':
			out = append(out, 0)
		case '\\':
			out = append(out, '\\')
		case 'x':
			if i+2 >= len(s) {
				return nil, fmt.Errorf("short \\x")
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, err
			}
			out = append(out, byte(n))
			i += 2
		case '{':
			end := strings.IndexByte(s[i:], '}')
			count, what, ok := strings.Cut(s[i+1:max(i+end, i+1)], "*")
			n, err := strconv.Atoi(count)
			if end < 0 || !ok || err != nil {
				return nil, fmt.Errorf("malformed repetition")
			}
			unit, err := Unescape(what)
			if err != nil {
				return nil, err
			}
			out = append(out, bytes.Repeat(unit, n)...)
			i += end
		default:
			return nil, fmt.Errorf("unknown escape \\%c", s[i])
		}
	}
	return out, nil
}
