package exchange

import (
	"bytes"
	"encoding/json"
)

// HSTSField is the name of the field for Request.HSTS.
const HSTSField = "Strict-Transport-Security"

// PageSource gives the operator's page for a status, as JSON or as HTML in UTF-8, or nil. It must not block, and what it gives is not
// written to.
type PageSource func(status int, json bool) []byte

// The media types of pages.
const (
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"
)

// Page makes the body of an answer of our own: the operator's from own, which may be nil, or else a small one with the reason phrase of the
// status and the detail, in words of ours: nothing that the client sent may be in them. accept is the client's Accept field.
func Page(status int, reason, detail string, accept []byte, own PageSource) (mime string, body []byte) {
	mime, asked := htmlType, wantsJSON(accept)
	if asked {
		mime = jsonType
	}
	if own != nil {
		if body = own(status, asked); body != nil {
			return mime, body
		}
	}
	if detail == "" {
		detail = reason
	}
	if asked {
		body, _ = json.Marshal(struct { // strings and a number cannot fail
			Status int    `json:"status"`
			Error  string `json:"error"`
			Detail string `json:"detail"`
		}{status, reason, detail})
		return mime, append(body, '\n')
	}
	return mime, []byte("<html>\n  <head>\n    <title>" + reason + "</title>\n  </head>\n  <body>\n    <h1><p>" + reason + "</p></h1>\n    " + detail + "\n  </body>\n</html>\n")
}

// wantsJSON reads Accept (RFC 9110 12.5.1) as far as it is needed: a client that names a kind of JSON and not HTML is no browser.
func wantsJSON(accept []byte) bool {
	return (bytes.Contains(accept, []byte("application/json")) || bytes.Contains(accept, []byte("+json"))) && !bytes.Contains(accept, []byte("text/html"))
}
