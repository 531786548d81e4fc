package companion

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"time"
)

func readReady(d *draft, raw json.RawMessage) error {
	c := &Check{Every: defaultCheck, Timeout: defaultReady}
	d.Ready = c
	return d.readCheck(raw, c, nil)
}

func readHealth(d *draft, raw json.RawMessage) error {
	h := &Health{Check: Check{Every: defaultHealth, Timeout: tryTime}, Failures: defaultFailures}
	d.Health = h
	if err := d.readCheck(raw, &h.Check, &h.Failures); err != nil {
		return err
	}
	if h.Notify {
		return errors.New("notify: a program says only once that it is ready; name one of command, tcp, unix and http")
	}
	if h.Timeout == 0 {
		return errors.New("timeout: it must be more than 0")
	}
	return nil
}

// readCheck reads a dictionary that names one kind of check. failures is nil where the key of that name has no meaning.
func (d *draft) readCheck(raw json.RawMessage, c *Check, failures *int) error {
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return errors.New(`it must be a dictionary, such as {"tcp": "127.0.0.1:6379"}`)
	}
	kinds := 0
	for key, value := range values {
		var err error
		switch {
		case key == "command":
			c.Command, err = d.words(value, false)
		case key == "tcp":
			if err = readText(value, &c.TCP); err == nil {
				_, _, err = net.SplitHostPort(c.TCP)
			}
		case key == "unix":
			err = readText(value, &c.Unix)
		case key == "http":
			err = readURL(value, &c.HTTP)
		case key == "notify":
			err = readBool(value, &c.Notify)
		case key == "every":
			if err = readDuration(value, &c.Every); err == nil && c.Every < 10*time.Millisecond {
				err = errors.New("it must be 0.01 seconds or more")
			}
			kinds--
		case key == "timeout":
			err = readDuration(value, &c.Timeout)
			kinds--
		case key == "failures" && failures != nil:
			err = readInt(value, failures, 1, math.MaxInt32)
			kinds--
		default:
			all := "command, tcp, unix, http, notify, every, timeout"
			if failures != nil {
				all = "command, tcp, unix, http, every, timeout, failures"
			}
			return fmt.Errorf("there is no key %q; the keys are %s", key, all)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		kinds++
	}
	if kinds != 1 {
		return errors.New("name one of command, tcp, unix, http and notify")
	}
	return nil
}

func readURL(raw json.RawMessage, to *string) error {
	if err := readText(raw, to); err != nil {
		return err
	}
	u, err := url.Parse(*to)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("write http://HOST:PORT/PATH")
	}
	return err
}

// Bounds of oom_score_adj, proc(5).
const (
	leastOOMScore = -1000
	mostOOMScore  = 1000
)

func readOOMScore(d *draft, raw json.RawMessage) error {
	d.OOMScore = new(int)
	return readInt(raw, d.OOMScore, leastOOMScore, mostOOMScore)
}
