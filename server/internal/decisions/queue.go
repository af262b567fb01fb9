package decisions

import (
	"slices"
	"sync"
)

const (
	// maxEntries and maxBytes bound a queue.
	maxEntries = 8192
	maxBytes   = 16 << 20
)

// A queue keeps entries until all of its readers have them, and no more than fit: a reader
// that is behind then misses the oldest. To add an entry never waits for a reader. For readers
// to come it keeps a history.
type queue struct {
	mu      sync.Mutex
	history history
	entries []*entry
	bytes   int
	last    uint64 // the number of the last entry, of all that were ever added
	readers map[*reader]struct{}
	added   chan struct{} // closed with the next entry; nil while no reader waits for it
}

// A reader reads the entries of a queue from one on. It is for one goroutine.
type reader struct {
	queue *queue
	last  uint64 // the number of the last entry that it has
}

// add adds an entry, of which it sets the number. Nothing changes it after that.
func (q *queue) add(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	e.number, e.bytes = q.last, e.size()
	q.history.add(e)
	if len(q.readers) == 0 {
		return
	}
	q.entries = append(q.entries, e)
	q.bytes += e.bytes
	for len(q.entries) > maxEntries || q.bytes > maxBytes {
		q.remove(1)
	}
	if q.added != nil {
		close(q.added)
		q.added = nil
	}
}

// remove removes the oldest entries. q.mu must be held.
func (q *queue) remove(n int) {
	for i := range n {
		q.bytes -= q.entries[i].bytes
		q.entries[i] = nil
	}
	if q.entries = q.entries[n:]; len(q.entries) == 0 {
		q.entries = nil
	}
}

// first returns the number of the entry before the oldest. q.mu must be held.
func (q *queue) first() uint64 { return q.last - uint64(len(q.entries)) }

// read returns a reader of the entries that are added from now on. Close it.
func (q *queue) read() *reader {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.begin()
}

// readRecent is read, with the history up to there.
func (q *queue) readRecent() (*reader, history) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.begin(), q.history.clone()
}

// begin returns a reader. q.mu must be held.
func (q *queue) begin() *reader {
	r := &reader{q, q.last}
	if q.readers == nil {
		q.readers = make(map[*reader]struct{})
	}
	q.readers[r] = struct{}{}
	return r
}

// take returns the next entries, up to limit of them, and how many it has missed before
// these. Where there are none, added is closed with the next.
func (r *reader) take(limit int) (entries []*entry, missed uint64, added <-chan struct{}) {
	q := r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if first := q.first(); r.last < first {
		missed = first - r.last
		r.last = first
	}
	left := q.entries[r.last-q.first():]
	entries = slices.Clone(left[:min(len(left), limit)])
	r.last += uint64(len(entries))
	q.trim()
	if len(entries) == 0 {
		if q.added == nil {
			q.added = make(chan struct{})
		}
		added = q.added
	}
	return entries, missed, added
}

// trim removes what all readers have. q.mu must be held.
func (q *queue) trim() {
	have := q.last
	for r := range q.readers {
		have = min(have, r.last)
	}
	if first := q.first(); have > first {
		q.remove(int(have - first)) //nolint:gosec // no more than there are entries
	}
}

// close ends the reading.
func (r *reader) close() {
	q := r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.readers, r)
	q.trim()
}
