// Package httpcases reads the table of HTTP/1 wire cases in tests/testdata/http
// and plays a case against a listening server.
//
// A file holds cases one after the other:
//
//	# a comment
//	== a name that is a claim
//	rule: RFC 9112 6.3 (MUST); row 3
//	limits: fields=3 body=10
//	end: half-close
//	head: yes
//	nasty: yes
//	> POST /p HTTP/1.1\r\n
//	> Host: x\r\n\r\n
//	status: 400
//	fate: close
//	saw: nothing
//
// The lines behind "> " are joined; \r \n \t \0 \\ \xHH are bytes, and
// \{12*ab} repeats "ab" twelve times. status lists all answers, interim ones
// too. fate is what becomes of the connection: open or close. saw has a line
// per request that reached the application, in the form that Echo gives, or
// "nothing". limits and the other settings are named like the fields of
// Settings. end: half-close ends the client's side after the bytes. head: yes
// says that the answers have no body. nasty: yes asks for a run with the bytes
// split at every offset.
//
// The package knows no server; it needs one whose application answers 200 with
// the text of Echo.
package httpcases
