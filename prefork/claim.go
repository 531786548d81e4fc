package prefork

import "time"

// doneWait is how long a worker may take from DONE in the slot to the END of its answer: the answer has been written by then, and
// only our reading of it may be late.
const doneWait = 5 * time.Second

// A claim says in one word which worker answers which use of a slot: slot, generation (its low 28 bits), worker. The scoreboard says
// so too, but workers can write there, and one that is broken may write anything; the claim is the master's own. It is what makes
// the end of a job by the sweep exclude its end by a frame that arrives at the same time. 0 means that the job has been ended.
type claim uint64

const workerBits = 24

func claimOf(slot, generation uint32) claim {
	return claim(slot)<<52 | claim(generation&(1<<28-1))<<workerBits
}

func (c claim) worker() uint32 { return uint32(c) & (1<<workerBits - 1) }

// take makes the job of that use of a slot the worker's, and reports whether it is.
func (j *Job) take(slot, generation, worker uint32) bool {
	open := claimOf(slot, generation)
	mine := uint64(open | claim(worker))
	return j.claim.Load() == mine || j.claim.CompareAndSwap(uint64(open), mine)
}

// strayJob is a job whose slot is not as it should be.
type strayJob struct {
	job    *Job
	owner  *generation
	worker uint32 // whoever answers it or is said to; 0: unknown
	ended  bool   // taken off the books: nobody has answered any of it
}

// stray ends a job whose slot a worker spoilt. If a worker has begun to answer, its reader may be at work on the job; then only the
// end of that worker ends it. The caller holds mu.
func (d *dispatcher) stray(j *Job) strayJob {
	s := strayJob{job: j, owner: j.owner, worker: d.board.Load(j.slot).Worker()}
	if j.claim.CompareAndSwap(uint64(claimOf(j.slot, j.generation)), 0) {
		s.ended = true
		d.release(j)
		d.lanes.Remove(&j.item)
		j.Queued = time.Since(d.epoch) - j.submitted
		return s
	}
	s.worker = claim(j.claim.Load()).worker()
	return s
}
