// Package accesslog writes one line for each request in gunicorn's access log
// format.
//
// [Compile] reads a format once; [Format.Append] then makes a line from an
// [Entry] without allocating, and [JSON] an object. [Logger] passes entries to
// its outputs: [Lines] joins a format to a log file. A Format
// is immutable and an Entry is only read, and no slice of it is kept, so it may
// live in a buffer that is used again.
//
// The atoms are gunicorn's:
//
//	h remote address       m method          f referer        T whole seconds
//	l -                    U path            a user agent     M milliseconds
//	u basic-auth user      q query           s status         D microseconds
//	t [date]               H protocol        b, B bytes sent  L seconds.microseconds
//	r request line         p <pid>           {name}i request header
//	{name}o response header                  {name}e environ variable
//
// and for what gunicorn cannot know, {name}x, where name is
//
//	queue   microseconds the request waited for a worker
//	run     microseconds a worker spent on it
//	receive microseconds that reading the body took
//	client  address of the client behind the proxies that are trusted
//	request_id  X-Request-ID of the request, or one made for it
//	trace_id    id of the trace that the field traceparent names (W3C Trace Context)
//	worker  pid of the worker, - if none was involved
//	lane    fast, new, slow or a name given with --lane; - if it was answered before it had one
//	route   the key under which the request's duration is learnt
//
// What is missing is written as "-". A double quote is written as \" and,
// unlike in gunicorn, a backslash as \\ and a control character or a byte that
// is not UTF-8 as \xNN, so that no client can forge a line or a field; what a
// format's author writes between the atoms stays as it is.
package accesslog
