package settings

import (
	"fmt"
	"math"
	"reflect"
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
	case Int, Auto:
		if s.Kind == Auto && text == autoText {
			f.SetInt(0)
			return nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
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
		n, err := parseBytes(text)
		if err != nil {
			return err
		}
		f.SetInt(s.lower(n))
	case String, Path:
		if strings.IndexByte(text, 0) >= 0 {
			return fmt.Errorf("it contains a zero byte")
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
	if k == Auto {
		return `a whole number or "auto"`
	}
	return "a whole number"
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
		return 0, fmt.Errorf("it must not be negative; 0 switches the limit off")
	}
	if n > maxSeconds {
		return 0, fmt.Errorf("it is more than ten years; 0 switches the limit off")
	}
	return time.Duration(n * float64(time.Second)), nil
}

// parseBytes reads a size: a whole number with an optional suffix K, M, G or T
// in powers of 1024, which may be followed by B or iB.
func parseBytes(s string) (int64, error) {
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
