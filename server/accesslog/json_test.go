package accesslog_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gounicorn/gounicorn/server/accesslog"
)

func TestJSON(t *testing.T) {
	e := accesslog.Entry{
		Time: time.Date(2026, 11, 22, 13, 4, 5, 6_000_000, time.UTC), Pid: 12, RemoteAddr: []byte("10.0.0.1"), Client: []byte("192.0.2.9"),
		Method: []byte("GET"), Host: []byte("x"), Path: []byte("/a\"b\n"), Query: []byte(""), Proto: []byte("HTTP/1.1"), Status: 200, BytesSent: 5,
		UserAgent: []byte("a\x1b\xe9"), RequestID: []byte("id"), Worker: 12, By: "app", Lane: []byte("fast"), Route: []byte("GET /a"),
		Duration: 12345 * time.Microsecond, Receive: time.Millisecond, Queue: 2 * time.Millisecond, Run: 3 * time.Millisecond,
	}
	const want = `{"time":"2026-11-22T13:04:05.006Z","level":"INFO","logger":"gunicorn.access","pid":12,"remote_addr":"10.0.0.1",` +
		`"client":"192.0.2.9","user":null,"method":"GET","host":"x","path":"/a\"b\n","query":"","protocol":"HTTP/1.1","status":200,"bytes":5,` +
		`"referer":null,"user_agent":"a\u001bé","request_id":"id","trace_id":null,"worker":12,"by":"app","lane":"fast","route":"GET /a",` +
		`"duration_ms":12.345,"receive_ms":1.000,"queue_ms":2.000,"app_ms":3.000,"send_ms":6.345}`
	got := accesslog.JSON{}.Append(nil, &e)
	if string(got) != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	for _, e := range []*accesslog.Entry{&e, {}, {Duration: -1, Queue: time.Hour}} {
		line := accesslog.JSON{}.Append(nil, e)
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil || len(fields) != 27 {
			t.Errorf("%s: %d fields, %v", line, len(fields), err)
		}
	}
}

// Nothing that a client sends can make another line, or anything but JSON, of an entry.
func FuzzJSON(f *testing.F) {
	f.Add([]byte("GET"), []byte("/\xff\n"), []byte("\"},{"))
	f.Fuzz(func(t *testing.T, method, path, agent []byte) {
		line := accesslog.JSON{}.Append(nil, &accesslog.Entry{Method: method, Path: path, Query: agent, UserAgent: agent, Referer: path, User: agent})
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil || len(fields) != 27 {
			t.Fatalf("%q: %d fields, %v", line, len(fields), err)
		}
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				t.Fatalf("%q has a control character", line)
			}
		}
	})
}
