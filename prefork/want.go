package prefork

// want is what the dispatcher lacks.
type want struct {
	Worker bool // slow requests hold every slot that something else waits for
	Thread bool // requests that only wait find no spare thread
}

// want says what the dispatcher lacks now.
func (d *dispatcher) want() want {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lacks()
}

// lacks is want for callers that hold mu.
func (d *dispatcher) lacks() want {
	if d.target == nil || d.capacity == 0 {
		return want{}
	}
	held := d.busy[slow] + d.busy[unknown]
	open := d.capacity - min(d.cfg.SlowReserve, d.capacity-1)
	waits := d.waits[fast].n+d.waits[unknown].n > 0 && held >= d.capacity
	return want{Worker: waits || d.waits[slow].n > 0 && d.busy[slow] >= open}
}

// tell wakes the supervisor when something is lacking. The caller holds mu.
func (d *dispatcher) tell() {
	if (d.lacks() != want{}) {
		select {
		case d.wanting <- struct{}{}:
		default:
		}
	}
}
