package accesslog

import (
	"strconv"
	"time"

	"github.com/gounicorn/gounicorn/server/jsontext"
)

// JSON is the Formatter of log_format json: one object for each request, always with the same keys, null for what there is not.
type JSON struct{}

// Append implements Formatter.
func (JSON) Append(b []byte, e *Entry) []byte {
	b = jsontext.AppendTime(append(b, `{"time":`...), e.Time)
	b = strconv.AppendInt(append(b, `,"level":"INFO","logger":"gunicorn.access","pid":`...), int64(e.Pid), 10)
	b = appendJSONText(b, `,"remote_addr":`, e.RemoteAddr)
	b = appendJSONText(b, `,"client":`, e.Client)
	b = appendJSONText(b, `,"user":`, e.User)
	b = appendJSONText(b, `,"method":`, e.Method)
	b = appendJSONText(b, `,"host":`, e.Host)
	b = appendJSONText(b, `,"path":`, e.Path)
	b = appendJSONText(b, `,"query":`, e.Query)
	b = appendJSONText(b, `,"protocol":`, e.Proto)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(e.Status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), e.BytesSent, 10)
	b = appendJSONText(b, `,"referer":`, e.Referer)
	b = appendJSONText(b, `,"user_agent":`, e.UserAgent)
	b = appendJSONText(b, `,"request_id":`, e.RequestID)
	b = appendJSONText(b, `,"trace_id":`, e.trace())
	if e.Worker != 0 {
		b = strconv.AppendInt(append(b, `,"worker":`...), int64(e.Worker), 10)
	} else {
		b = append(b, `,"worker":null`...)
	}
	if e.By != "" {
		b = jsontext.AppendString(append(b, `,"by":`...), []byte(e.By))
	} else {
		b = append(b, `,"by":null`...)
	}
	b = appendJSONText(b, `,"lane":`, e.Lane)
	b = appendJSONText(b, `,"route":`, e.Route)
	b = appendMillis(append(b, `,"duration_ms":`...), e.Duration)
	b = appendMillis(append(b, `,"receive_ms":`...), e.Receive)
	b = appendMillis(append(b, `,"queue_ms":`...), e.Queue)
	b = appendMillis(append(b, `,"app_ms":`...), e.Run)
	b = appendMillis(append(b, `,"send_ms":`...), e.Duration-e.Receive-e.Queue-e.Run)
	return append(b, '}')
}

func appendJSONText(b []byte, key string, value []byte) []byte {
	b = append(b, key...)
	if value == nil {
		return append(b, "null"...)
	}
	return jsontext.AppendString(b, value)
}

// appendMillis appends milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	micros := max(d.Microseconds(), 0)
	b = append(strconv.AppendInt(b, micros/1000, 10), '.')
	rest := micros % 1000
	return append(b, byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}
