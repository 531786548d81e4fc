package wsgi

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decode reads a REQUEST payload as the worker does.
func decode(t *testing.T, pairs int, payload []byte) (map[string]string, []byte) {
	t.Helper()
	n := binary.LittleEndian.Uint64(payload)
	rest := payload[8:]
	environ := map[string]string{}
	for range pairs {
		k := Key(rest[0])
		rest = rest[1:]
		name := k.String()
		if k == KeyLiteral {
			l := binary.LittleEndian.Uint16(rest)
			name, rest = string(rest[2:2+l]), rest[2+l:]
		}
		l := binary.LittleEndian.Uint32(rest)
		if _, twice := environ[name]; twice {
			t.Errorf("%s appears twice", name)
		}
		environ[name], rest = string(rest[4:4+l]), rest[4+l:]
	}
	if uint64(len(rest)) != n {
		t.Errorf("%d body bytes, announced %d", len(rest), n)
	}
	return environ, rest
}

func TestEnvironHasCGINames(t *testing.T) {
	var e Environ
	for range 2 { // the second round proves that Reset forgets
		e.Reset()
		e.SetString(KeyRequestMethod, "POST")
		e.Set(KeyPathInfo, []byte("/caf\xc3\xa9"))
		for _, f := range [][2]string{
			{"Host", "example.com"},
			{"content-type", "text/plain"},
			{"Content-Length", "3"},
			{"X-Long-Name", "1"},
			{"Accept", "a"},
			{"X-Other", "latin\xff"},
			{"x-long-name", "2"},
			{"ACCEPT", "b"},
			{"X-LONG-NAME", "3"},
			{"X-Other", "x"},
			{"X-Empty", ""},
		} {
			e.Field([]byte(f[0]), []byte(f[1]))
		}
		environ, body := decode(t, e.Pairs(), e.Payload(3, []byte("abc")))
		want := map[string]string{
			"REQUEST_METHOD": "POST", "PATH_INFO": "/caf\xc3\xa9", "HTTP_HOST": "example.com", "CONTENT_TYPE": "text/plain",
			"CONTENT_LENGTH": "3", "HTTP_X_LONG_NAME": "1,2,3", "HTTP_ACCEPT": "a,b", "HTTP_X_OTHER": "latin\xff,x", "HTTP_X_EMPTY": "",
		}
		if diff := cmp.Diff(want, environ); diff != "" {
			t.Error(diff)
		}
		if string(body) != "abc" {
			t.Errorf("body = %q", body)
		}
	}
}

func TestEnvironAllocatesNothing(t *testing.T) {
	var e Environ
	name, value := []byte("User-Agent"), []byte("curl/8")
	literal := []byte("X-Something-Else")
	e.Reset()
	if n := testing.AllocsPerRun(100, func() {
		e.Reset()
		e.Set(KeyRequestMethod, value)
		e.Field(name, value)
		e.Field(literal, value)
		e.Payload(0, nil)
	}); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestKeysAreUniqueAndFitTheProtocol(t *testing.T) {
	if len(keyNames) > 255 {
		t.Fatalf("%d keys do not fit a byte", len(keyNames))
	}
	if len(keyOf) != len(keyNames)-1 {
		t.Error("a name stands twice in the table")
	}
	if KeyContentLength.String() != "CONTENT_LENGTH" || keyNames[firstHeaderKey] != "HTTP_HOST" {
		t.Error("constants and table do not agree")
	}
	if h := CHeader(); !strings.Contains(h, "#define GP_KEY_PATH_INFO 4\n") {
		t.Errorf("C header lacks PATH_INFO:\n%s", h)
	}
}

func head(reason string, fields [][2]string, body string) []byte {
	b := binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(len(reason)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(fields)))
	b = append(b, reason...)
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f[1])))
		b = append(append(b, f[0]...), f[1]...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return append(b, body...)
}

func TestHeadParses(t *testing.T) {
	fields := [][2]string{{"Content-Type", "text/plain"}, {"X", ""}}
	h, err := ParseHead(404, head("Not Found", fields, "body"))
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	h.Fields(func(n, v []byte) bool { got = append(got, [2]string{string(n), string(v)}); return true })
	if diff := cmp.Diff(fields, got); diff != "" || h.Len() != 2 || string(h.Reason) != "Not Found" || string(h.Body) != "body" {
		t.Errorf("%+v %s", h, diff)
	}
}

func TestHeadRefusesEveryTruncation(t *testing.T) {
	whole := head("OK", [][2]string{{"A", "b"}, {"C", "d"}}, "")
	for n := range whole {
		if _, err := ParseHead(200, whole[:n]); !errors.Is(err, ErrHead) {
			t.Errorf("%d of %d bytes were accepted", n, len(whole))
		}
	}
	if _, err := ParseHead(99, whole); !errors.Is(err, ErrHead) {
		t.Error("status 99 was accepted")
	}
}

func FuzzHead(f *testing.F) {
	f.Add(head("OK", [][2]string{{"A", "b"}}, "x"))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := ParseHead(200, p)
		if err != nil {
			return
		}
		n, size := 0, headFixed+len(h.Reason)
		h.Fields(func(name, value []byte) bool { n++; size += 6 + len(name) + len(value); return true })
		if n != h.Len() || size+len(h.Body) != len(p) {
			t.Fatalf("%d fields and %d bytes of %d and %d", n, size+len(h.Body), h.Len(), len(p))
		}
	})
}

func FuzzField(f *testing.F) {
	f.Add("X-A", "1", "x-a", "2")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		if len(n1) > 1000 || len(n2) > 1000 {
			return
		}
		var e Environ
		e.Reset()
		e.Field([]byte(n1), []byte(v1))
		e.Field([]byte(n2), []byte(v2))
		e.Field([]byte(n1), []byte(v2))
		decode(t, e.Pairs(), e.Payload(0, nil))
	})
}
