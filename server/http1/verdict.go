package http1

import "strconv"

// Cause names one reason for refusing a request. The zero Cause means that
// nothing is wrong. Every Cause is one row of the table that Verdicts returns.
type Cause uint8

// The causes, grouped like the rules they come from.
const (
	CauseNone Cause = iota

	// Request line and line ends.
	CauseProxySyntax
	CauseProxyForbidden
	CausePlain
	CauseEmptyLines
	CauseBareLF
	CauseBareCR
	CauseRequestLine
	CauseMethod
	CauseMethodNotServed
	CauseVersionSyntax
	CauseVersion
	CauseRequestLineTooLong
	CauseIncompleteHead
	CauseHeadTimeout

	// Target and Host.
	CauseTargetByte
	CauseTargetForm
	CauseTargetEscape
	CauseAuthority
	CauseHostMissing
	CauseHostDuplicate
	CauseHostSyntax
	CauseScriptName

	// Field lines.
	CauseObsFold
	CauseFieldName
	CauseFieldColon
	CauseFieldValue
	CauseFieldUnderscore
	CauseFieldTooLarge
	CauseFieldCount
	CauseHeadTooLarge
	CauseRoom
	CauseContentTypeDuplicate
	CauseScheme

	// Framing.
	CauseLengthAndCoding
	CauseCodingSyntax
	CauseCodingNotFinal
	CauseCodingDuplicate
	CauseCodingUnknown
	CauseCodingVersion
	CauseLengthDuplicate
	CauseLengthSyntax
	CauseBodyTooLarge
	CauseExpectation
	CauseWebSocket

	// Body.
	CauseChunkSize
	CauseChunkExtension
	CauseChunkExtensionBytes
	CauseChunkEnd
	CauseTrailer
	CauseIncompleteBody
	CauseBodyTimeout

	causeCount
)

// Verdict is the engine's answer to one Cause. It is an error, so that
// Exchange.Read can return it.
type Verdict struct {
	Cause  Cause
	Name   string // short stable name for logs and metrics
	Status int    // status of the answer
	Text   string // sentence for the log and for the body of the answer
	Rule   string // where the rule is written
	Close  bool   // whether the connection is closed after the answer
}

// Error returns the status and the sentence of the verdict.
func (v Verdict) Error() string {
	return strconv.Itoa(v.Status) + ": " + v.Text
}

// RetryAfter returns in how many seconds another try may be worth while, 0 for
// a request that will never be served.
func (v Verdict) RetryAfter() int {
	if v.Status == 503 {
		return 1
	}
	return 0
}

// Verdict returns the row of the table for the cause.
func (c Cause) Verdict() Verdict {
	if c >= causeCount {
		c = CauseNone
	}
	v := verdicts[c]
	v.Cause = c
	return v
}

// String returns the short name of the cause.
func (c Cause) String() string { return c.Verdict().Name }

// Verdicts returns a copy of the whole table, without CauseNone, for
// documentation and metrics.
func Verdicts() []Verdict {
	out := make([]Verdict, 0, causeCount-1)
	for c := CauseNone + 1; c < causeCount; c++ {
		out = append(out, c.Verdict())
	}
	return out
}

// verdicts is the one table of refusals. Every refusal closes the connection:
// after a message that was not understood, or whose rest is not wanted, the
// start of the next one is not known for sure (RFC 9112 11.2).
//
// Choices where a rule leaves one: identical duplicates of Content-Length are
// refused although RFC 9112 6.3 allows merging; minor versions above 1 get 505
// although RFC 9112 2.3 allows reading them as 1.1, because no such version
// exists; a WebSocket handshake gets 400 and not 426, because 426 must name a
// protocol that the server would accept (RFC 9110 15.5.22).
var verdicts = [causeCount]Verdict{
	CauseNone:               {Name: "none", Text: "nothing wrong"},
	CauseProxySyntax:        {Name: "proxy_syntax", Status: 400, Text: "malformed PROXY protocol header", Rule: "PROXY protocol; row 31", Close: true},
	CauseProxyForbidden:     {Name: "proxy_forbidden", Status: 403, Text: "the peer may not use the PROXY protocol", Rule: "PROXY protocol; row 31", Close: true},
	CausePlain:              {Name: "plain", Status: 400, Text: "this port speaks https, and the request came by plain http; write https:// before the address", Rule: "row 37", Close: true},
	CauseEmptyLines:         {Name: "empty_lines", Status: 400, Text: "more than one empty line before the request line", Rule: "RFC 9112 2.2; row 34", Close: true},
	CauseBareLF:             {Name: "bare_lf", Status: 400, Text: "line ends with LF instead of CRLF", Rule: "RFC 9112 2.2; row 7", Close: true},
	CauseBareCR:             {Name: "bare_cr", Status: 400, Text: "CR that is not followed by LF", Rule: "RFC 9112 2.2; row 7", Close: true},
	CauseRequestLine:        {Name: "request_line", Status: 400, Text: "request line is not method, target and version with one space between", Rule: "RFC 9112 3; row 27", Close: true},
	CauseMethod:             {Name: "method", Status: 400, Text: "method is not a token of 3 to 20 upper-case letters", Rule: "RFC 9112 3.1; RFC 9110 9.1", Close: true},
	CauseMethodNotServed:    {Name: "method_not_served", Status: 405, Text: "method is not served", Rule: "RFC 9110 9.3.6, 9.3.8; row 26", Close: true},
	CauseVersionSyntax:      {Name: "version_syntax", Status: 400, Text: "malformed HTTP version", Rule: "RFC 9112 2.3; row 27", Close: true},
	CauseVersion:            {Name: "version", Status: 505, Text: "HTTP version is not served", Rule: "RFC 9112 2.3; RFC 9110 15.6.6; row 27", Close: true},
	CauseRequestLineTooLong: {Name: "request_line_too_long", Status: 414, Text: "request line is too long", Rule: "RFC 9112 3; RFC 9110 15.5.15; row 15", Close: true},
	CauseIncompleteHead:     {Name: "incomplete_head", Status: 400, Text: "connection ended inside the head", Rule: "RFC 9112 8", Close: true},
	CauseHeadTimeout:        {Name: "head_timeout", Status: 408, Text: "the head took too long", Rule: "RFC 9110 15.5.9; row 18", Close: true},

	CauseTargetByte:    {Name: "target_byte", Status: 400, Text: "byte that is not allowed in a request target", Rule: "RFC 9112 3.2; row 29", Close: true},
	CauseTargetForm:    {Name: "target_form", Status: 400, Text: "form of the request target does not fit the method", Rule: "RFC 9112 3.2; row 26", Close: true},
	CauseTargetEscape:  {Name: "target_escape", Status: 400, Text: "malformed percent-encoding in the path", Rule: "RFC 3986 2.1; row 29", Close: true},
	CauseAuthority:     {Name: "authority", Status: 400, Text: "malformed scheme or authority in the request target", Rule: "RFC 9112 3.2.2; RFC 9110 4.2; row 25", Close: true},
	CauseHostMissing:   {Name: "host_missing", Status: 400, Text: "Host is missing", Rule: "RFC 9112 3.2; row 28", Close: true},
	CauseHostDuplicate: {Name: "host_duplicate", Status: 400, Text: "more than one Host", Rule: "RFC 9112 3.2; row 28", Close: true},
	CauseHostSyntax:    {Name: "host_syntax", Status: 400, Text: "malformed Host", Rule: "RFC 9112 3.2; RFC 9110 7.2; row 28", Close: true},
	CauseScriptName:    {Name: "script_name", Status: 500, Text: "the path does not begin with SCRIPT_NAME", Rule: "PEP 3333; row 30", Close: true},

	CauseObsFold:              {Name: "obs_fold", Status: 400, Text: "white space at the start of a field line", Rule: "RFC 9112 2.2, 5.2; rows 6, 8", Close: true},
	CauseFieldName:            {Name: "field_name", Status: 400, Text: "field name is not a token", Rule: "RFC 9112 5.1; RFC 9110 5.1; row 8", Close: true},
	CauseFieldColon:           {Name: "field_colon", Status: 400, Text: "field line without a colon", Rule: "RFC 9112 5; row 8", Close: true},
	CauseFieldValue:           {Name: "field_value", Status: 400, Text: "control character in a field value", Rule: "RFC 9110 5.5; row 9", Close: true},
	CauseFieldUnderscore:      {Name: "field_underscore", Status: 400, Text: "underscore in a field name", Rule: "row 10", Close: true},
	CauseFieldTooLarge:        {Name: "field_too_large", Status: 431, Text: "field line is too long", Rule: "RFC 6585 5; row 16", Close: true},
	CauseFieldCount:           {Name: "field_count", Status: 431, Text: "too many fields", Rule: "RFC 6585 5; row 16", Close: true},
	CauseHeadTooLarge:         {Name: "head_too_large", Status: 431, Text: "head is too large", Rule: "RFC 6585 5; row 16", Close: true},
	CauseRoom:                 {Name: "no_room", Status: 503, Text: "too much is under way; try again in a moment", Rule: "rows 16, 35, 69", Close: true},
	CauseContentTypeDuplicate: {Name: "content_type_duplicate", Status: 400, Text: "more than one Content-Type", Rule: "RFC 9110 5.3, 8.3", Close: true},
	CauseScheme:               {Name: "scheme", Status: 400, Text: "fields disagree about the scheme", Rule: "row 30", Close: true},

	CauseLengthAndCoding: {Name: "length_and_coding", Status: 400, Text: "Content-Length together with Transfer-Encoding", Rule: "RFC 9112 6.1, 6.3; row 1", Close: true},
	CauseCodingSyntax:    {Name: "coding_syntax", Status: 400, Text: "malformed Transfer-Encoding", Rule: "RFC 9112 6.1; row 2", Close: true},
	CauseCodingNotFinal:  {Name: "coding_not_final", Status: 400, Text: "chunked is not the only and last transfer coding", Rule: "RFC 9112 6.1, 6.3; row 2", Close: true},
	CauseCodingDuplicate: {Name: "coding_duplicate", Status: 400, Text: "more than one Transfer-Encoding", Rule: "RFC 9112 6.1; row 2", Close: true},
	CauseCodingUnknown:   {Name: "coding_unknown", Status: 501, Text: "transfer coding is not served", Rule: "RFC 9112 6.1; row 2", Close: true},
	CauseCodingVersion:   {Name: "coding_version", Status: 400, Text: "Transfer-Encoding in an HTTP/1.0 request", Rule: "RFC 9112 6.1; row 5", Close: true},
	CauseLengthDuplicate: {Name: "length_duplicate", Status: 400, Text: "more than one Content-Length", Rule: "RFC 9112 6.3; row 3", Close: true},
	CauseLengthSyntax:    {Name: "length_syntax", Status: 400, Text: "Content-Length is not a decimal number in range", Rule: "RFC 9110 8.6; row 4", Close: true},
	CauseBodyTooLarge:    {Name: "body_too_large", Status: 413, Text: "body is too large", Rule: "RFC 9110 15.5.14; row 17", Close: true},
	CauseExpectation:     {Name: "expectation", Status: 417, Text: "expectation is not known", Rule: "RFC 9110 10.1.1; row 24", Close: true},
	CauseWebSocket:       {Name: "websocket", Status: 400, Text: "WebSocket is not served", Rule: "RFC 9110 7.8; row 33", Close: true},

	CauseChunkSize:           {Name: "chunk_size", Status: 400, Text: "malformed chunk size", Rule: "RFC 9112 7.1; row 11", Close: true},
	CauseChunkExtension:      {Name: "chunk_extension", Status: 400, Text: "malformed chunk extension", Rule: "RFC 9112 7.1.1; row 12", Close: true},
	CauseChunkExtensionBytes: {Name: "chunk_extension_bytes", Status: 400, Text: "too many bytes of chunk extensions", Rule: "RFC 9112 7.1.1; row 12", Close: true},
	CauseChunkEnd:            {Name: "chunk_end", Status: 400, Text: "chunk data does not end where its size says", Rule: "RFC 9112 7.1; row 13", Close: true},
	CauseTrailer:             {Name: "trailer", Status: 400, Text: "malformed trailer section", Rule: "RFC 9112 7.1.2; row 14", Close: true},
	CauseIncompleteBody:      {Name: "incomplete_body", Status: 400, Text: "connection ended inside the body", Rule: "RFC 9112 8; row 13", Close: true},
	CauseBodyTimeout:         {Name: "body_timeout", Status: 408, Text: "the body took too long", Rule: "RFC 9110 15.5.9; row 19", Close: true},
}
