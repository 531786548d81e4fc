package edge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// field is one more field of an answer.
type field struct{ name, value string }

// refuse answers with a small page: JSON for a client that asks for it and not for HTML. Nothing of what the client sent is in it.
func refuse(x exchange.Exchange, status int, detail string, fields ...field) {
	text := http.StatusText(status)
	mime, body := "text/html; charset=utf-8", []byte("<html>\n  <head>\n    <title>"+text+"</title>\n  </head>\n  <body>\n    <h1><p>"+text+
		"</p></h1>\n    "+detail+"\n  </body>\n</html>\n")
	if wantsJSON(x.Request().Get("accept")) {
		mime = "application/json"
		body, _ = json.Marshal(struct { // strings and a number cannot fail
			Status int    `json:"status"`
			Error  string `json:"error"`
			Detail string `json:"detail"`
		}{status, text, detail})
		body = append(body, '\n')
	}
	answer(x, status, mime, body, fields...)
}

// answer gives a whole answer that nobody may store, unless it is a redirect.
func answer(x exchange.Exchange, status int, mime string, body []byte, fields ...field) {
	all := append([]field{{"Content-Type", mime}}, fields...)
	if status/100 != 3 {
		all = append(all, field{"Cache-Control", "no-store"})
	}
	err := x.Start(status, nil)
	for _, f := range all {
		if err == nil {
			err = x.Field([]byte(f.name), []byte(f.value))
		}
	}
	if err != nil {
		x.Abort() // what we send is well formed, so somebody else has answered
		return
	}
	_ = x.Finish(body) // the length is the body's, and the client's leaving is the engine's to report
}

// wantsJSON reads Accept (RFC 9110 12.5.1) as far as it is needed: a client that names a kind of JSON and not HTML is no browser.
func wantsJSON(accept []byte) bool {
	return (bytes.Contains(accept, []byte("application/json")) || bytes.Contains(accept, []byte("+json"))) && !bytes.Contains(accept, []byte("text/html"))
}

// retryAfter is the field of that name, in whole seconds.
func retryAfter(seconds int64) field {
	return field{"Retry-After", strconv.FormatInt(max(seconds, 1), 10)}
}
