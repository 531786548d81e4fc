package http1

// ResponseField returns the value of the last field of the answer with the name, compared without regard to case. It may be called in
// the function of SetDone only; fields that the engine adds count too.
func (x *Exchange) ResponseField(lower string) (value []byte, ok bool) {
	rest := x.out[min(x.interim, len(x.out)):]
	for first := true; ; first = false {
		line, after, more := cutLine(rest)
		if !more || len(line) == 0 {
			return value, ok
		}
		rest = after
		if first {
			continue // the status line
		}
		if n := len(lower); len(line) > n && line[n] == ':' && foldEqual(line[:n], lower) {
			value, ok = trimOWS(line[n+1:]), true
		}
	}
}

func cutLine(b []byte) (line, rest []byte, ok bool) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == '\r' && b[i+1] == '\n' {
			return b[:i], b[i+2:], true
		}
	}
	return nil, nil, false
}

// ConnectionStates counts the connections that serve a request or receive one, and those that wait for one.
func (s *Server) ConnectionStates() (active, idle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		if p := c.phase.Load(); p == phaseIdle || p == phaseGuest {
			idle++
		} else {
			active++
		}
	}
	return active, idle
}
