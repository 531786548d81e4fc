package edge

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate bounds the requests of one client for a path and all below it.
type Rate struct {
	prefix Prefix
	text   string
	off    bool
	every  time.Duration // between two requests
	burst  int           // requests more than one at once
}

// maxRate and maxBurst bound the numbers of a Rate; with them no sum below overflows.
const (
	maxRate  = 1_000_000
	maxBurst = 1_000_000
)

// ParseRate reads PREFIX=RATE[/s|/m|/h][ burst=N]: N requests more than one at once, as limit_req with nodelay has it; without it, as many
// as RATE in all. PREFIX=off takes a path out of what holds above it.
func ParseRate(text string) (Rate, error) {
	prefix, value, err := parsePrefix(text, "'PREFIX=RATE burst=N', such as '/login/=5/m burst=10'")
	r := Rate{prefix: prefix, text: strings.TrimSpace(text)}
	if err != nil {
		return r, err
	}
	words := strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == ',' })
	if len(words) == 1 && words[0] == "off" {
		r.off = true
		return r, nil
	}
	if len(words) == 0 || len(words) > 2 {
		return r, errors.New("write 'PREFIX=RATE burst=N' or PREFIX=off")
	}
	number, unit, _ := strings.Cut(words[0], "/")
	period := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.Atoi(number)
	if err != nil || period == 0 || n < 1 || n > maxRate {
		return r, fmt.Errorf("the rate %q is not a number from 1 to %d with /s, /m or /h behind it", words[0], maxRate)
	}
	r.every, r.burst = period/time.Duration(n), n-1
	if len(words) == 2 {
		burst, named := strings.CutPrefix(words[1], "burst=")
		if r.burst, err = strconv.Atoi(burst); err != nil || !named || r.burst < 0 || r.burst > maxBurst {
			return r, fmt.Errorf("%q is not burst=N with N from 0 to %d", words[1], maxBurst)
		}
	}
	if r.burst > 0 && r.every > math.MaxInt64/4/time.Duration(r.burst) {
		return r, errors.New("the burst would last for centuries; take a smaller one")
	}
	return r, nil
}
