package accesslog

// Lengths of W3C Trace Context 1, section 3.2: version, trace id, parent id and flags in hexadecimal, with hyphens between.
const (
	traceStart  = 3
	traceEnd    = traceStart + 32
	parentStart = traceEnd + 1
	parentEnd   = parentStart + 16
	traceLength = parentEnd + 3
)

// TraceID is the id of the trace in a field traceparent, nil when the field breaks the rules of W3C Trace Context. Of versions to come
// it reads what this one has. The result is a part of value.
func TraceID(value []byte) []byte {
	switch {
	case len(value) < traceLength || string(value[:2]) == "ff":
		return nil
	case len(value) > traceLength && (string(value[:2]) == "00" || value[traceLength] != '-'):
		return nil
	case value[2] != '-' || value[traceEnd] != '-' || value[parentEnd] != '-':
		return nil
	}
	if !isHex(value[:2]) || !isHex(value[parentEnd+1:traceLength]) || !isID(value[traceStart:traceEnd]) || !isID(value[parentStart:parentEnd]) {
		return nil
	}
	return value[traceStart:traceEnd]
}

// isHex reports whether all are digits, or small letters as the standard wants them.
func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isID is isHex with something else than zeros.
func isID(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return isHex(b)
		}
	}
	return false
}

// trace is the id of the trace that the request belongs to, nil if there is none.
func (e *Entry) trace() []byte {
	if e.TraceID != nil || e.Fields == nil {
		return e.TraceID
	}
	value, _ := e.Fields.RequestHeader("traceparent")
	return TraceID(value)
}
