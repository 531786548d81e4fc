package prefork

// fifo is a queue of jobs linked through themselves.
type fifo struct {
	head, tail *Job
	n          int
}

func (q *fifo) push(j *Job) {
	j.next = nil
	if q.tail == nil {
		q.head = j
	} else {
		q.tail.next = j
	}
	q.tail = j
	q.n++
}

func (q *fifo) pushFront(j *Job) {
	j.next = q.head
	q.head = j
	if q.tail == nil {
		q.tail = j
	}
	q.n++
}

func (q *fifo) pop() *Job {
	j := q.head
	if j != nil {
		q.head = j.next
		if q.head == nil {
			q.tail = nil
		}
		j.next = nil
		q.n--
	}
	return j
}

// first removes the first job that matches among the first few, or returns nil.
func (q *fifo) first(match func(*Job) bool) *Job {
	const few = 64
	var before *Job
	for j, n := q.head, 0; j != nil && n < few; before, j, n = j, j.next, n+1 {
		if !match(j) {
			continue
		}
		if before == nil {
			return q.pop()
		}
		before.next = j.next
		if q.tail == j {
			q.tail = before
		}
		j.next = nil
		q.n--
		return j
	}
	return nil
}

// take removes the jobs that match and returns them as a list.
func (q *fifo) take(match func(*Job) bool) (taken []*Job) {
	keep := fifo{}
	for j := q.pop(); j != nil; j = q.pop() {
		if match(j) {
			taken = append(taken, j)
		} else {
			keep.push(j)
		}
	}
	*q = keep
	return taken
}
