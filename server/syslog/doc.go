// Package syslog makes and sends the records of gunicorn's settings syslog, syslog_addr, syslog_facility and syslog_prefix: those of
// Python's SysLogHandler, which are RFC 3164 records without time and host, closed by a NUL.
//
//	<14>gunicorn.shop.access: [1234] 127.0.0.1 - - [...] "GET / HTTP/1.1" 200 5 "-" "-"
//
// log/syslog and the packages around it write a time, a host and a newline, and no NUL, so that the rules people have for gunicorn's
// records would not match; the frame is one line, the connection is that of package logfile.
package syslog
