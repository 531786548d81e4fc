package syslog_test

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
	"github.com/gounicorn/gounicorn/server/errorlog"
	"github.com/gounicorn/gounicorn/server/syslog"
)

func TestRecords(t *testing.T) {
	var out bytes.Buffer
	f, err := syslog.ParseFacility("LOCAL0")
	if err != nil {
		t.Fatal(err)
	}
	log := syslog.New(&out, f, syslog.Name("", "shop.wsgi:app"), "error")
	log.Record(&errorlog.Record{Time: time.Now(), Level: errorlog.LevelError, PID: 7, Message: "bad\nline", Traceback: "a\nb"})
	format, err := accesslog.Compile("%(m)s")
	if err != nil {
		t.Fatal(err)
	}
	syslog.New(&out, 1, syslog.Name("p:q", "x"), "access").Access(format).Log(&accesslog.Entry{Method: []byte("GET"), Pid: 8})
	want := "<131>gunicorn.shop.wsgi.app.error: [7] bad\\nline\na\nb\x00<14>gunicorn.p:q.access: [8] GET\x00"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"udp://localhost:514": "syslog udp:localhost:514", "udp://": "syslog udp:localhost:514", "udp://HOST": "syslog udp:host:514",
		"tcp://10.0.0.1:601": "syslog tcp:10.0.0.1:601", "udp://[::1]:5": "syslog udp:[::1]:5", "udp://[::1]": "syslog udp:[::1]:514",
		"unix:///dev/log": "syslog unixgram:/dev/log", "unix:///dev/log#dgram": "syslog unixgram:/dev/log", "unix://a#stream": "syslog unix:a",
	} {
		a, err := syslog.ParseAddress(text)
		if err != nil || a.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "host:514", "udp://h:x", "udp://h:0", "udp://h:70000", "udp://[::1", "udp://]", "udp://[[]:5", "unix://", "unix://a#x", "http://h"} {
		if a, err := syslog.ParseAddress(text); err == nil || !strings.Contains(err.Error(), "invalid syslog address") {
			t.Errorf("%s: got %v, %v", text, a, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("udp://[::1]:514")
	f.Add("unix:///dev/log#dgram")
	f.Add("unix://:") // a file of that name
	f.Fuzz(func(t *testing.T, text string) {
		a, err := syslog.ParseAddress(text)
		if err != nil {
			return
		}
		network, address, _ := strings.Cut(strings.TrimPrefix(a.String(), "syslog "), ":")
		if strings.HasPrefix(network, "unix") {
			if address == "" {
				t.Errorf("%q gives %v, without a path", text, a)
			}
			return
		}
		host, port, err := net.SplitHostPort(address)
		if number, notNumber := strconv.ParseUint(port, 10, 16); err != nil || host == "" || notNumber != nil || number == 0 {
			t.Errorf("%q gives %v", text, a)
		}
	})
}
