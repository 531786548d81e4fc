package edge

import (
	"net/http"
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// field is one more field of an answer.
type field struct{ name, value string }

// refuse answers with a small page, or the operator's.
func refuse(x exchange.Exchange, status int, detail string, fields ...field) {
	q := x.Request()
	mime, body := exchange.Page(status, http.StatusText(status), detail, q.Get("accept"), q.Pages)
	answer(x, status, mime, body, fields...)
}

// answer gives a whole answer that nobody may store, unless it is a redirect.
func answer(x exchange.Exchange, status int, mime string, body []byte, fields ...field) {
	all := append([]field{{"Content-Type", mime}}, fields...)
	if status/100 != 3 {
		all = append(all, field{"Cache-Control", "no-store"})
	}
	if hsts := x.Request().HSTS; hsts != "" {
		all = append(all, field{exchange.HSTSField, hsts})
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

// retryAfter is the field of that name, in whole seconds.
func retryAfter(seconds int64) field {
	return field{"Retry-After", strconv.FormatInt(max(seconds, 1), 10)}
}
