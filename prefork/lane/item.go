package lane

import (
	"container/heap"
	"math"
	"time"
)

// Class is what is known of a request before it runs.
type Class uint8

// Classes. The zero value is a route that nothing is known of.
const (
	Unknown Class = iota
	Fast
	Slow
	classes
)

var classNames = [...]string{NewName, FastName, SlowName}

// String names the class.
func (c Class) String() string { return classNames[c] }

// Slot is a kind of place for a request with the workers.
type Slot uint8

// Kinds of slots.
const (
	None      Slot = iota // nowhere: it waits
	Computing             // a thread that reads the shared queue
	Spare                 // a further thread of a worker, for what waits rather than computes
)

type state uint8

const (
	gone state = iota // not with the scheduler
	queued
	started
)

// Item is a request as the scheduler sees it. The zero value is ready for Arrive; after End, Remove or a refusal it may be used
// again. Of is the caller's.
type Item struct {
	Of any // whose item this is; not read here

	key    []byte // the caller's, valid until the item is gone
	client uint64
	entry  *entry
	route  *route
	rule   *Rule
	lane   *lane
	class  Class
	waits  bool
	state  state
	on     Slot // while started

	arrived   time.Duration
	number    uint64 // order of arrival
	tag       int64  // virtual time at which it ought to be done; 0: never charged
	cost      int64  // expected, nanoseconds
	index     int    // in the heap
	older     *Item  // in the order of arrival
	newer     *Item
	reserved  bool // it took a reserved slot
	abandoned bool // its client left
}

// front is the tag of what goes before all others of its lane.
const front = math.MinInt64

// Class is what the item counts as now.
func (it *Item) Class() Class { return it.class }

// Background reports whether it is known to compute for long, and so yields the processor to others.
func (it *Item) Background() bool { return it.class == Slow && !it.waits }

// Lane is the name of its lane.
func (it *Item) Lane() string { return it.lane.name }

// Deadline is the longest time that it may wait; 0: none.
func (it *Item) Deadline() time.Duration { return it.lane.deadline }

// Estimate is how long it is expected to run; 0: not known.
func (it *Item) Estimate() time.Duration {
	if it.route == nil || !it.route.known {
		return 0
	}
	return it.route.estimate
}

// Deaths is how many workers have died while they ran a request of its route.
func (it *Item) Deaths() int {
	if it.route == nil {
		return 0
	}
	return it.route.deaths
}

// Slot is where it has been started, None when it has not.
func (it *Item) Slot() Slot { return it.on }

// before is the order inside a lane.
func (it *Item) before(o *Item) bool {
	if it.tag != o.tag {
		return it.tag < o.tag
	}
	return it.number < o.number
}

// line holds items that wait for the same kind of slot in one lane: a heap in the order in which they go, and a list in the order
// in which they came.
type line struct {
	heap           order
	oldest, newest *Item
}

// order is a heap.Interface: the first item goes first.
type order []*Item

func (o order) Len() int           { return len(o) }
func (o order) Less(i, j int) bool { return o[i].before(o[j]) }

func (o order) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].index, o[j].index = i, j
}

// Push implements heap.Interface.
func (o *order) Push(x any) {
	it := x.(*Item)
	it.index = len(*o)
	*o = append(*o, it)
}

// Pop implements heap.Interface.
func (o *order) Pop() any {
	last := len(*o) - 1
	it := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return it
}

// add inserts an item; after is one of the line that came before it, or nil, from where its place in the order of arrival is sought.
func (l *line) add(it, after *Item) {
	heap.Push(&l.heap, it)
	if l.newest == nil || l.newest.number < it.number {
		after = l.newest
	}
	if after == nil && l.oldest != nil && l.oldest.number < it.number {
		after = l.oldest
	}
	for after != nil && after.newer != nil && after.newer.number < it.number {
		after = after.newer
	}
	it.older = after
	if after == nil {
		it.newer, l.oldest = l.oldest, it
	} else {
		it.newer, after.newer = after.newer, it
	}
	if it.newer == nil {
		l.newest = it
	} else {
		it.newer.older = it
	}
}

func (l *line) remove(it *Item) {
	heap.Remove(&l.heap, it.index)
	if it.older == nil {
		l.oldest = it.newer
	} else {
		it.older.newer = it.newer
	}
	if it.newer == nil {
		l.newest = it.older
	} else {
		it.newer.older = it.older
	}
	it.older, it.newer = nil, nil
}
