package history

import "sync"

// Sizes of a journal.
const (
	keptLines  = 1000
	mostLines  = 500     // in one answer
	mostAnswer = 4 << 20 // bytes of text in one answer
)

// Line is one record of a log.
type Line struct {
	Number    uint64  `json:"number"` // 1, 2, … since the start
	Time      float64 `json:"time"`   // seconds since 1970
	Level     string  `json:"level"`
	PID       int     `json:"pid"`
	Message   string  `json:"message"`
	Traceback string  `json:"traceback,omitempty"` // of several lines
	Logger    string  `json:"logger,omitempty"`    // of a companion its name
}

// Journal remembers the last lines of a log. Its methods may be called concurrently.
type Journal struct {
	mu    sync.Mutex
	lines [keptLines]Line
	last  uint64 // number of the newest
}

// Add remembers a line; its number is given here. Texts over 8 KiB are cut.
func (j *Journal) Add(l Line) {
	for _, text := range []*string{&l.Message, &l.Traceback} {
		if len(*text) > keptText {
			*text = (*text)[:keptText] + "…"
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	l.Number = j.last
	j.lines[j.last%keptLines] = l
}

// Since returns up to n lines, at most 500, behind the one with that number, oldest first. If there are more it returns the newest with
// latest, else the first. A reader goes on behind the number of the last one that it got.
func (j *Journal) Since(number uint64, n int, latest bool) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	n = min(max(n, 0), mostLines)
	if j.last > keptLines {
		number = max(number, j.last-keptLines)
	}
	if number >= j.last {
		return []Line{}
	}
	if latest && j.last-number > uint64(n) {
		number = j.last - uint64(n)
	}
	found, size := []Line{}, 0
	for at := number + 1; at <= j.last && len(found) < n && size < mostAnswer; at++ {
		l := j.lines[at%keptLines]
		found, size = append(found, l), size+len(l.Message)+len(l.Traceback)
	}
	return found
}
