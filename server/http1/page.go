package http1

import (
	"strconv"

	"github.com/gounicorn/gounicorn/server/exchange"
)

// Error answers with one of the engine's own small pages and ends the
// exchange. A head that was begun is given up. retryAfter, in seconds, adds
// Retry-After if it is positive. It reports false if the answer had already
// been committed, in which case nothing was done. It never blocks.
func (x *Exchange) Error(status, retryAfter int) bool {
	if !x.claim() && !x.state.CompareAndSwap(stateBuilding, stateCommitted) {
		return false
	}
	x.out = x.out[:x.interim]
	x.sendPage(status, retryAfter)
	return true
}

// Refuse answers with the verdict on a request that was read but cannot be
// served, and reports it like one of the engine's own. It must be called inside
// ServeHTTP1, and reports false if the answer had already been committed.
func (x *Exchange) Refuse(cause Cause) bool {
	if !x.claim() {
		return false
	}
	v := cause.Verdict()
	if f := x.conn.terms.OnError; f != nil {
		f(x.conn, v)
	}
	x.sendVerdict(v)
	return true
}

// CloseAfter makes the connection close after this answer.
func (x *Exchange) CloseAfter() { x.wantClose.Store(true) }

// sendVerdict answers a verdict; the caller has claimed the answer.
func (x *Exchange) sendVerdict(v Verdict) {
	if v.Close {
		x.wantClose.Store(true)
	}
	x.page(v.Status, v.RetryAfter(), v.Text)
}

// sendPage answers with the page of a status; the caller has claimed the answer.
func (x *Exchange) sendPage(status, retryAfter int) {
	if status < 200 || status > 599 {
		status = 500
	}
	x.page(status, retryAfter, "")
}

// allowed is the value of Allow: what we do not refuse ourselves.
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// page writes a page of our own: small, never stored, with nothing in it that
// the client sent.
func (x *Exchange) page(status, retryAfter int, detail string) {
	x.begun(status, nil)
	mime, body := exchange.Page(status, statusText(status), detail, x.req.Get("accept"), x.conn.terms.rules.page)
	x.out = append(append(append(x.out, "Content-Type: "...), mime...), "\r\nCache-Control: no-store\r\n"...)
	if hsts := x.req.HSTS; hsts != "" {
		x.out = append(append(append(x.out, exchange.HSTSField+": "...), hsts...), '\r', '\n')
	}
	if status == 405 {
		x.out = append(x.out, "Allow: "+allowed+"\r\n"...)
	}
	if retryAfter > 0 {
		x.out = append(x.out, "Retry-After: "...)
		x.out = strconv.AppendInt(x.out, int64(retryAfter), 10)
		x.out = append(x.out, '\r', '\n')
	}
	x.state.Store(stateBuilding)
	_ = x.Finish(body) // no length was given that could disagree
}

// answerOptions answers OPTIONS * (RFC 9110 9.3.7).
func (x *Exchange) answerOptions() {
	if !x.claim() {
		return
	}
	x.begun(200, nil)
	x.out = append(x.out, "Allow: "+allowed+"\r\n"...)
	x.state.Store(stateBuilding)
	_ = x.Finish(nil) // nothing can disagree with an empty body
}

// statusText returns the reason phrase of a status (RFC 9110 15).
func statusText(status int) string {
	for i := range statusTexts {
		if statusTexts[i].status == status {
			return statusTexts[i].text
		}
	}
	return "Unknown"
}

// statusTexts begins with the statuses that are looked up most.
var statusTexts = [...]struct {
	status int
	text   string
}{
	{200, "OK"}, {304, "Not Modified"}, {302, "Found"}, {404, "Not Found"}, {204, "No Content"},
	{201, "Created"}, {301, "Moved Permanently"}, {400, "Bad Request"}, {403, "Forbidden"}, {500, "Internal Server Error"},
	{102, "Processing"}, {103, "Early Hints"}, {202, "Accepted"}, {203, "Non-Authoritative Information"}, {205, "Reset Content"},
	{206, "Partial Content"}, {207, "Multi-Status"}, {208, "Already Reported"}, {226, "IM Used"}, {300, "Multiple Choices"},
	{303, "See Other"}, {305, "Use Proxy"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {401, "Unauthorized"},
	{402, "Payment Required"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {407, "Proxy Authentication Required"},
	{408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
	{413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
	{417, "Expectation Failed"}, {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {423, "Locked"},
	{424, "Failed Dependency"}, {425, "Too Early"}, {426, "Upgrade Required"}, {428, "Precondition Required"},
	{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
	{501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"}, {506, "Variant Also Negotiates"}, {507, "Insufficient Storage"},
	{508, "Loop Detected"}, {511, "Network Authentication Required"},
}
