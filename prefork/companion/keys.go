package companion

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/robfig/cron/v3"
	"golang.org/x/sys/unix"
)

// keys is the one table of the keys of a program. docs/companions.md explains them.
var keys = map[string]func(d *draft, raw json.RawMessage) error{
	"command":          func(d *draft, raw json.RawMessage) error { d.command = raw; return nil },
	"shell":            func(d *draft, raw json.RawMessage) error { return readBool(raw, &d.shell) },
	"directory":        func(d *draft, raw json.RawMessage) error { return readText(raw, &d.Directory) },
	"environment":      readEnvironment,
	"env_files":        func(d *draft, raw json.RawMessage) error { return readTexts(raw, &d.files) },
	"user":             func(d *draft, raw json.RawMessage) error { return readText(raw, &d.user) },
	"group":            func(d *draft, raw json.RawMessage) error { return readText(raw, &d.group) },
	"umask":            readUmask,
	"limits":           readLimits,
	"count":            func(d *draft, raw json.RawMessage) error { return readInt(raw, &d.Count, 1, maxCount) },
	"autostart":        func(d *draft, raw json.RawMessage) error { return readBool(raw, &d.Autostart) },
	"autorestart":      readRestart,
	"exitcodes":        readExitCodes,
	"startsecs":        func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.StartTime) },
	"startretries":     func(d *draft, raw json.RawMessage) error { return readInt(raw, &d.Retries, -1, math.MaxInt32) },
	"stop":             readStop,
	"stopsignal":       func(d *draft, raw json.RawMessage) error { return readText(raw, &d.stopSignal) },
	"stopwaitsecs":     func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.stopWait) },
	"essential":        func(d *draft, raw json.RawMessage) error { return readBool(raw, &d.Essential) },
	"exit_code":        func(d *draft, raw json.RawMessage) error { return readInt(raw, &d.ExitCode, 1, 254) },
	"after":            func(d *draft, raw json.RawMessage) error { return readTexts(raw, &d.After) },
	"ready":            readReady,
	"singleton":        readSingleton,
	"every":            func(d *draft, raw json.RawMessage) error { d.every = raw; return nil },
	"jitter":           func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.jitter) },
	"timeout":          func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.timeout) },
	"max_memory":       func(d *draft, raw json.RawMessage) (err error) { d.MaxMemory, err = parseSize(raw); return err },
	"max_age":          func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.MaxAge) },
	"max_age_jitter":   func(d *draft, raw json.RawMessage) error { return readDuration(raw, &d.MaxAgeExtra) },
	"logfile":          func(d *draft, raw json.RawMessage) error { return readText(raw, &d.LogFile) },
	"reload":           readReload,
	"health":           readHealth,
	"oom_score_adj":    readOOMScore,
	"logfile_maxbytes": func(d *draft, raw json.RawMessage) (err error) { d.LogSize, err = parseSize(raw); return err },
	"logfile_backups":  func(d *draft, raw json.RawMessage) error { return readInt(raw, &d.LogBackups, 0, maxBackups) },
}

func readBool(raw json.RawMessage, to *bool) error {
	if json.Unmarshal(raw, to) != nil {
		return errors.New("it must be True or False")
	}
	return nil
}

// readText reads a text, or a number as one.
func readText(raw json.RawMessage, to *string) error {
	var number json.Number
	if json.Unmarshal(raw, to) == nil {
		if strings.IndexByte(*to, 0) >= 0 {
			return errors.New("it contains a zero byte")
		}
		return nil
	}
	if json.Unmarshal(raw, &number) != nil {
		return errors.New("it must be a text")
	}
	*to = number.String()
	return nil
}

// readTexts reads a list of texts, or one text as a list of one.
func readTexts(raw json.RawMessage, to *[]string) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*to = []string{one}
		return nil
	}
	if json.Unmarshal(raw, to) != nil {
		return errors.New("it must be a text or a list of texts")
	}
	return nil
}

func readInt(raw json.RawMessage, to *int, least, most int) error {
	if json.Unmarshal(raw, to) != nil || *to < least || *to > most {
		return fmt.Errorf("it must be a whole number from %d to %d", least, most)
	}
	return nil
}

// units are the suffixes of a duration.
var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// readDuration reads seconds, or a text such as 90, 15m, 1h or 7d.
func readDuration(raw json.RawMessage, to *time.Duration) error {
	var text string
	if readText(raw, &text) != nil {
		return errors.New("it must be a number of seconds, or a text such as 15m")
	}
	d, ok := parseDuration(text)
	if !ok {
		return fmt.Errorf("%q is no time: write seconds, or a number with s, m, h or d, such as 15m", text)
	}
	*to = d
	return nil
}

func parseDuration(text string) (time.Duration, bool) {
	unit := time.Second
	if n := len(text); n > 0 && units[text[n-1]] != 0 {
		unit, text = units[text[n-1]], text[:n-1]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0) || n*float64(unit) > float64(maxWait) {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

// parseSize reads bytes, with K, M or G if need be.
func parseSize(raw json.RawMessage) (int64, error) {
	var text string
	if err := readText(raw, &text); err != nil {
		return 0, errors.New("it must be a size, such as 300M")
	}
	digits, shift := strings.TrimSuffix(strings.ToUpper(text), "B"), 0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("KMG", digits[n-1]); i >= 0 {
			digits, shift = digits[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<maxMemorySuffix>>shift {
		return 0, fmt.Errorf("%q is no size: write bytes, or a whole number with K, M or G, such as 300M", text)
	}
	return n << shift, nil
}

func readUmask(d *draft, raw json.RawMessage) error {
	var text string
	number := 0
	if json.Unmarshal(raw, &number) == nil { // Python has read 0o027 already
		d.Umask = number
	} else if readText(raw, &text) == nil {
		n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 16)
		if err != nil {
			return errors.New("it must be an octal number, such as 0o027")
		}
		d.Umask = int(n)
	}
	if d.Umask < 0 || d.Umask > 0o777 {
		return errors.New("it must be an octal number from 0 to 0o777")
	}
	return nil
}

// resources are the names of limits, as setrlimit(2) has them without RLIMIT_.
var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
	"memlock": unix.RLIMIT_MEMLOCK, "nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "stack": unix.RLIMIT_STACK,
}

func readLimits(d *draft, raw json.RawMessage) error {
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return errors.New(`it must be a dictionary, such as {"nofile": 4096}`)
	}
	d.Limits = nil
	for name, value := range values {
		resource, known := resources[name]
		if !known {
			return fmt.Errorf("there is no limit %q; those of setrlimit(2) are written without RLIMIT_, in small letters: nofile, nproc, core, as", name)
		}
		var pair []uint64
		var one int64
		l := Limit{Resource: resource}
		switch {
		case json.Unmarshal(value, &one) == nil && one >= -1:
			l.Soft, l.Hard = uint64(one), uint64(one) // -1 is RLIM_INFINITY
		case json.Unmarshal(value, &pair) == nil && len(pair) == 2 && pair[0] <= pair[1]:
			l.Soft, l.Hard = pair[0], pair[1]
		default:
			return fmt.Errorf("%s: it must be a number, -1 for no limit, or [soft, hard]", name)
		}
		d.Limits = append(d.Limits, l)
	}
	slices.SortFunc(d.Limits, func(a, b Limit) int { return a.Resource - b.Resource })
	return nil
}

func readRestart(d *draft, raw json.RawMessage) error {
	words := map[string]Restart{`true`: Always, `"always"`: Always, `"unexpected"`: Unexpected, `false`: Never, `"never"`: Never}
	policy, known := words[string(raw)]
	if !known {
		return errors.New("it must be always, unexpected or never")
	}
	d.Restart = policy
	return nil
}

func readExitCodes(d *draft, raw json.RawMessage) error {
	d.ExitCodes = nil
	if json.Unmarshal(raw, &d.ExitCodes) != nil || slices.ContainsFunc(d.ExitCodes, func(c int) bool { return c < 0 || c > 255 }) {
		return errors.New("it must be a list of exit codes, such as [0, 2]")
	}
	return nil
}

// parseSignal reads TERM, SIGTERM or 15.
func parseSignal(text string) (syscall.Signal, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if s := unix.SignalNum("SIG" + name); s != 0 {
		return s, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	return 0, fmt.Errorf("there is no signal %q; name it as TERM, INT, QUIT, HUP or USR1", text)
}

func readStop(d *draft, raw json.RawMessage) error {
	var steps [][]json.RawMessage
	if json.Unmarshal(raw, &steps) != nil || len(steps) == 0 || len(steps) > 8 {
		return errors.New(`it must be a list of signals and seconds, such as [["TERM", 60], ["QUIT", 10]]`)
	}
	d.Stop = nil
	for _, pair := range steps {
		var name string
		var step StopStep
		if len(pair) != 2 || readText(pair[0], &name) != nil {
			return errors.New(`each step is a signal and seconds, such as ["TERM", 60]`)
		}
		var err error
		if step.Signal, err = parseSignal(name); err != nil {
			return err
		}
		if err = readDuration(pair[1], &step.Wait); err != nil {
			return err
		}
		d.Stop = append(d.Stop, step)
	}
	return nil
}

func readSingleton(d *draft, raw json.RawMessage) error {
	if json.Unmarshal(raw, &d.Lock) == nil && d.Lock != "" {
		d.Singleton = true
		return nil
	}
	if readBool(raw, &d.Singleton) != nil {
		return errors.New("it must be True, False, or the path of a file to lock")
	}
	return nil
}

func readReload(d *draft, raw json.RawMessage) (err error) {
	var text string
	if err := readText(raw, &text); err != nil {
		return err
	}
	switch a := ReloadAction(text); a {
	case ReloadKeep, ReloadRestart:
		d.OnReload = a
		return nil
	}
	if d.ReloadWith, err = parseSignal(text); err != nil {
		return errors.New("it must be keep, restart, or a signal such as HUP")
	}
	d.OnReload = ReloadSignal
	return nil
}

// minEvery keeps a slip from keeping the machine busy.
const minEvery = time.Second

func parseTimer(raw json.RawMessage) (*Timer, error) {
	var text string
	if err := readText(raw, &text); err != nil {
		return nil, err
	}
	if every, ok := parseDuration(text); ok {
		if every < minEvery {
			return nil, fmt.Errorf("it must be %v or more", minEvery)
		}
		return &Timer{Every: every}, nil
	}
	if strings.HasPrefix(text, "@every") || strings.HasPrefix(text, "@reboot") {
		return nil, fmt.Errorf("%q: write seconds, or a number with s, m, h or d", text)
	}
	if _, err := cron.ParseStandard(text); err != nil {
		return nil, fmt.Errorf("%q is neither a time such as 15m nor five fields of crontab, such as \"30 3 * * *\": %w", text, err)
	}
	return &Timer{Cron: text}, nil
}

// words are the arguments of a command: a list as it is, a text split as a shell does, or given to a shell as it is.
func (d *draft) words(raw json.RawMessage, shell bool) ([]string, error) {
	var list []string
	var text string
	switch {
	case json.Unmarshal(raw, &text) == nil:
		if shell {
			list = []string{"/bin/sh", "-c", text}
			break
		}
		var err error
		if list, err = d.context.Split(text); err != nil {
			return nil, err
		}
	case shell:
		return nil, errors.New("with shell it must be a text")
	case json.Unmarshal(raw, &list) != nil:
		return nil, errors.New("it must be a text or a list of texts")
	}
	if len(list) == 0 || list[0] == "" || strings.TrimSpace(text) == "" && text != "" {
		return nil, errors.New("it is empty")
	}
	for _, word := range list {
		if strings.IndexByte(word, 0) >= 0 {
			return nil, errors.New("it contains a zero byte")
		}
	}
	return list, nil
}

// runnable reports whether path is a regular file that may be run.
func runnable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}
