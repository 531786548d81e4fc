package server

// fields answers the access log's questions about a call that has ended.
type fields Call

// RequestHeader implements accesslog.Fields.
func (f *fields) RequestHeader(name string) ([]byte, bool) {
	v := f.req.Get(name)
	return v, v != nil
}

// ResponseHeader implements accesslog.Fields.
func (f *fields) ResponseHeader(name string) ([]byte, bool) { return f.x.ResponseField(name) }

// Environ implements accesslog.Fields: the entries that the master knows. What an application puts in stays in its worker.
func (f *fields) Environ(name string) ([]byte, bool) {
	if value, ok := f.environ.Lookup(name); ok {
		return value, true
	}
	value, ok := f.h.s.cfg.Environ[name]
	return []byte(value), ok
}
