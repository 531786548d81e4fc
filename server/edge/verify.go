package edge

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// Bounds of checking passwords. A check costs a processor up to some tenths of a second, and the master has few of them.
const (
	checksWaiting = 16              // more than the one that runs; others get 503
	failedEvery   = 2 * time.Second // between two checks of one client that are not known to be right
	failedBurst   = 9               // and so many more at once; then it gets 429
	knownMost     = 4096            // checks that turned out right and are remembered
)

// verifier checks passwords, one at a time, and remembers those that were right. Its methods may be called concurrently.
type verifier struct {
	meter   *Meter
	failed  uint64 // the rule of the meter
	key     [32]byte
	waiting chan struct{} // a place for each check that runs or waits
	running chan struct{} // one place

	mu    sync.Mutex // guards known
	known map[[sha256.Size]byte]struct{}
}

// verdict is what came of a check.
type verdict uint8

const (
	wrong verdict = iota
	right
	tooOften // this client
	tooMany  // all clients
)

func newVerifier(m *Meter) *verifier {
	v := &verifier{
		meter: m, failed: m.rule("failed passwords"), waiting: make(chan struct{}, 1+checksWaiting), running: make(chan struct{}, 1),
		known: map[[sha256.Size]byte]struct{}{},
	}
	_, _ = rand.Read(v.key[:]) // it never fails
	return v
}

// check asks whether a password is a user's. What it compares by is a keyed hash, so its time tells nothing of what is known; a name that
// does not exist takes as long as one that does. After tooOften the second result is how long the client has to wait.
func (v *verifier) check(p *Passwords, user, password string, client netip.Addr, now time.Time) (verdict, time.Duration) {
	name := v.name(p, user, password)
	v.mu.Lock()
	_, known := v.known[name]
	v.mu.Unlock()
	if known {
		return right, 0
	}
	if client.IsValid() {
		if wait := v.meter.take(v.failed, line(client), now, failedEvery, failedBurst); wait > 0 {
			return tooOften, wait
		}
	}
	select {
	case v.waiting <- struct{}{}:
	default:
		return tooMany, 0
	}
	defer func() { <-v.waiting }()
	v.running <- struct{}{}
	defer func() { <-v.running }()
	encoded, exists := p.users[user]
	if !exists {
		encoded = p.decoy
	}
	if !encoded.MatchesPassword(password) || !exists {
		return wrong, 0
	}
	v.remember(name)
	return right, 0
}

// remember keeps a check that was right, in place of any other one when there are many.
func (v *verifier) remember(name [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= knownMost {
		for other := range v.known {
			delete(v.known, other)
			break
		}
	}
	v.known[name] = struct{}{}
}

// name stands for a file, a user and a password together.
func (v *verifier) name(p *Passwords, user, password string) (name [sha256.Size]byte) {
	h := hmac.New(sha256.New, v.key[:])
	b := binary.BigEndian.AppendUint64(p.id[:], uint64(len(user)))
	h.Write(append(append(b, user...), password...))
	h.Sum(name[:0])
	return name
}
