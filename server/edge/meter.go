package edge

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The size of a Meter: 65,536 clients, in 1 MiB.
const (
	meterSets  = 8192
	meterWays  = 8
	meterLocks = 64
)

// Meter knows how much of its rate each of the last clients has used, by the generic cell rate algorithm (GCRA, ITU-T I.371): one time for
// each of them. Its table never grows: the set that an entry belongs to gives up the one that is nearest to having no debt. What an entry
// belongs to is a keyed hash, so nobody can choose to share one with somebody else. Its methods may be called concurrently.
type Meter struct {
	seed  maphash.Seed
	epoch time.Time
	locks [meterLocks]sync.Mutex // guard the sets, by number
	sets  [meterSets][meterWays]cell
}

// cell is a client. due is when it will have no debt, in ns since the epoch.
type cell struct {
	key uint64
	due int64
}

// NewMeter returns an empty Meter.
func NewMeter() *Meter { return &Meter{seed: maphash.MakeSeed(), epoch: time.Now()} }

// account is who uses what.
type account struct {
	rule   uint64
	client netip.Addr
}

// rule is the number of a rule: the same for the same text, so that a reload forgives nobody.
func (m *Meter) rule(text string) uint64 { return maphash.String(m.seed, text) }

// take uses one of a client's requests and returns 0; or it uses none, and returns how long there is none.
func (m *Meter) take(rule uint64, client netip.Addr, now time.Time, every time.Duration, burst int) time.Duration {
	key := maphash.Comparable(m.seed, account{rule, client}) | 1 // 0 is an empty cell
	number := key >> 1 % meterSets
	at := int64(now.Sub(m.epoch))
	lock := &m.locks[number%meterLocks]
	lock.Lock()
	defer lock.Unlock()
	set := &m.sets[number]
	mine := &set[0]
	for i := range set {
		if set[i].key == key {
			mine = &set[i]
			break
		}
		if set[i].due < mine.due {
			mine = &set[i]
		}
	}
	if mine.key != key {
		*mine = cell{key, at}
	}
	due := max(mine.due, at)
	if wait := due - at - int64(every)*int64(burst); wait > 0 {
		return time.Duration(wait)
	}
	mine.due = due + int64(every)
	return 0
}
