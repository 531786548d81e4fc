package settings

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// pythonText writes a JSON value as Python's str() does: a text without
// quotes, everything else as repr.
func pythonText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return text
	}
	if c, ok := parseCallable(raw); ok {
		return c.String()
	}
	return pythonRepr(raw)
}

// pythonRepr writes a JSON value as Python's repr() does, keys in their order.
func pythonRepr(raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var b strings.Builder
	type level struct {
		object bool
		n      int
	}
	var stack []level
	for {
		token, err := d.Token()
		if err == io.EOF || err != nil {
			return b.String()
		}
		if delim, ok := token.(json.Delim); ok && (delim == ']' || delim == '}') {
			b.WriteRune(rune(delim))
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack); n > 0 {
			top := &stack[n-1]
			switch {
			case top.object && top.n%2 == 1:
				b.WriteString(": ")
			case top.n > 0:
				b.WriteString(", ")
			}
			top.n++
		}
		switch x := token.(type) {
		case json.Delim:
			b.WriteRune(rune(x))
			stack = append(stack, level{object: x == '{'})
		case string:
			b.WriteString(reprString(x))
		case json.Number:
			b.WriteString(x.String())
		case bool:
			b.WriteString(pythonBool(x))
		case nil:
			b.WriteString("None")
		}
	}
}

func pythonBool(on bool) string {
	if on {
		return "True"
	}
	return "False"
}

// reprString quotes a text as Python does.
func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\x` + strconv.FormatInt(int64(r)+0x100, 16)[1:])
		case r > 0x7f && !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteToASCII(string(r)), `"`))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// reprList writes a list of texts.
func reprList(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = reprString(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
