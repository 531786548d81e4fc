package settings

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// malformed is the problem of a text that is not of the kind at all, such as
// letters for a number; argparse ends with status 2 on it.
type malformed struct{ text string }

func (e malformed) Error() string { return e.text }

// maxSeconds bounds a duration so that it fits time.Duration with room to add.
const maxSeconds = 10 * 365 * 24 * 3600

// assign gives the field of s the value of text; add appends to a list instead
// of replacing it. An error is the problem alone, without name or value.
func (s *Setting) assign(v *Values, text string, add bool) error {
	f := v.field(s.Name)
	switch s.Kind {
	case Bool:
		on, err := parseBool(text)
		if err != nil {
			return err
		}
		f.SetBool(on)
	case Int, Auto, Octal:
		if s.Kind == Auto && text == autoText {
			f.SetInt(0)
			return nil
		}
		base := 10
		if s.Kind == Octal {
			base = 8
		}
		n, err := parsePythonInt(text, base)
		if err != nil {
			return malformed{"it is not " + article(s.Kind)}
		}
		if n < s.Min {
			return fmt.Errorf("it must be at least %d", s.Min)
		}
		f.SetInt(s.lower(n))
	case Seconds:
		d, err := parseSeconds(text)
		if err != nil {
			return err
		}
		f.SetInt(int64(d))
	case Bytes:
		n, err := ParseBytes(text)
		if err != nil {
			return err
		}
		f.SetInt(s.lower(n))
	case String, Path, Class:
		if strings.IndexByte(text, 0) >= 0 {
			return fmt.Errorf("it contains a zero byte")
		}
		text = strings.TrimSpace(text)
		if len(s.Choices) > 0 {
			var err error
			if text, err = s.choose(text); err != nil {
				return err
			}
		}
		f.SetString(text)
	case List:
		list := []string{text}
		if add {
			list = append(f.Interface().([]string), text)
		}
		f.Set(reflect.ValueOf(list))
	case Comma:
		var list []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		f.Set(reflect.ValueOf(list))
	case IPs:
		set, err := parseIPs(text)
		if err != nil {
			return err
		}
		f.Set(reflect.ValueOf(set))
	case Dict, JSON:
		return s.assignDict(v, json.RawMessage(text))
	case Bind:
		a, err := ParseAddress(text)
		if err != nil {
			return err
		}
		list := []Address{a}
		if add {
			list = append(f.Interface().([]Address), a)
		}
		f.Set(reflect.ValueOf(list))
	case Listen:
		var a Address
		if text != "" {
			var err error
			if a, err = ParseAddress(text); err != nil {
				return err
			}
		}
		f.Set(reflect.ValueOf(a))
	}
	return nil
}

// lower returns n, or the largest number that has an effect.
func (s *Setting) lower(n int64) int64 {
	if s.Max > 0 && n > s.Max {
		return s.Max
	}
	return n
}

func article(k Kind) string {
	switch k {
	case Auto:
		return `a whole number or "auto"`
	case Octal:
		return "an octal number, such as 0022 or 0o22"
	}
	return "a whole number"
}

// synonyms are other words for a choice, which gunicorn takes too.
var synonyms = map[string]map[string]string{
	"proxy_protocol": {"false": "off", "0": "off", "none": "off", "true": "auto", "1": "auto"},
}

// choose returns the legal value that text means.
func (s *Setting) choose(text string) (string, error) {
	word := strings.ToLower(text)
	if plain, ok := synonyms[s.Name][word]; ok {
		return plain, nil
	}
	if !slices.Contains(s.Choices, word) {
		return "", fmt.Errorf("it must be one of %s", strings.Join(s.Choices, ", "))
	}
	return word, nil
}

// parsePythonInt reads a whole number of 32 bits as Python's int() does in
// base 10; in base 0 with the prefixes 0x, 0o and 0b; in base 8 as gunicorn
// reads a umask: as in base 0, and a leading 0 is enough for octal.
func parsePythonInt(text string, base int) (int64, error) {
	text = strings.TrimSpace(text)
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, strconv.ErrSyntax
	}
	if base == 10 {
		return strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 32)
	}
	if base == 0 && len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0_") != "" && digits[1] >= '0' && digits[1] <= '9' {
		return 0, strconv.ErrSyntax // Python wants 0o before an octal number
	}
	return strconv.ParseInt(text, 0, 32)
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "true", "yes", "on", "y":
		return true, nil
	case "0", "false", "no", "off", "n", "":
		return false, nil
	}
	return false, malformed{"it is neither true nor false"}
}

func parseSeconds(s string) (time.Duration, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, malformed{"it is not a number of seconds, such as 30 or 0.5"}
	}
	if n < 0 {
		if n != math.Trunc(n) {
			return 0, malformed{"it is not a number of seconds, such as 30 or 0.5"}
		}
		return 0, fmt.Errorf("it must not be negative; 0 switches the limit off")
	}
	if n > maxSeconds {
		return 0, fmt.Errorf("it is more than ten years; 0 switches the limit off")
	}
	return time.Duration(n * float64(time.Second)), nil
}

// ParseBytes reads a size: a whole number with an optional suffix K, M, G or T
// in powers of 1024, which may be followed by B or iB.
func ParseBytes(s string) (int64, error) {
	digits := strings.ToUpper(strings.TrimSpace(s))
	digits = strings.TrimSuffix(strings.TrimSuffix(digits, "B"), "I")
	shift := 0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("KMGT", digits[n-1]); i >= 0 {
			shift = 10 * (i + 1)
			digits = strings.TrimSpace(digits[:n-1])
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, malformed{"it is not a size, such as 65536, 64K, 100M or 2G"}
	}
	if n < 0 {
		return 0, fmt.Errorf("it must not be negative")
	}
	if n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("it is too large")
	}
	return n << shift, nil
}
