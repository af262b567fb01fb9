package ledger

import (
	"context"
	"sync"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

const (
	// readAhead is how many rows are read from the store at once for a follower who reads
	// everything.
	readAhead = 2000
	// patience is how long what was read ahead waits for its follower. It is dropped then,
	// so that many who read slowly do not cost memory.
	patience = time.Second
)

// fetching is what comes from the store for a follower. While the follower takes the pages
// of some rows, the next rows are read.
type fetching struct {
	read <-chan struct{} // is closed when there may be more than when it began

	mu      sync.Mutex
	pages   []Page // that wait for the follower
	ended   bool
	err     error
	changed chan struct{} // closed when one of these changes
}

// fetch begins to read for a follower: one page, or ahead.
func (l *Ledger) fetch(ctx context.Context, ahead bool, s span, read <-chan struct{}) *fetching {
	f := &fetching{read: read, changed: make(chan struct{})}
	go f.run(ctx, l, ahead, s)
	return f
}

// next returns the next page; or a channel that is closed when there is one, or it has
// ended; or that it has ended.
func (f *fetching) next() (page Page, wait <-chan struct{}, ended bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(f.pages) > 0:
		page, f.pages = f.pages[0], f.pages[1:]
		f.wake()
		return page, nil, false, nil
	case f.ended:
		return Page{}, nil, true, f.err
	default:
		return Page{}, f.changed, false, nil
	}
}

// wake wakes those who wait for a change. f.mu must be held.
func (f *fetching) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// run reads until the follower has everything, is slow, or others wait for their turn.
func (f *fetching) run(ctx context.Context, l *Ledger, ahead bool, s span) {
	c := l.changes
	c.waiting.Add(1)
	select {
	case c.readers <- struct{}{}:
		c.waiting.Add(-1)
		defer func() { <-c.readers }()
	case <-ctx.Done():
		c.waiting.Add(-1)
		f.end(ctx.Err())
		return
	}
	for more := true; more; {
		pages, left, err := s.read(ctx, l, ahead)
		if err != nil {
			f.taken(ctx)
			f.end(err)
			return
		}
		if !f.taken(ctx) {
			break
		}
		f.mu.Lock()
		f.pages = pages
		f.wake()
		f.mu.Unlock()
		more = left && ahead && c.waiting.Load() == 0
	}
	f.taken(ctx)
	f.end(nil)
}

// end drops what waits.
func (f *fetching) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages, f.ended, f.err = nil, true, err
	f.wake()
}

// taken waits until the follower has taken all pages, and reports whether that was soon.
func (f *fetching) taken(ctx context.Context) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		f.mu.Lock()
		left, changed := len(f.pages), f.changed
		f.mu.Unlock()
		if left == 0 {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// A span is what a follower lacks that is in the store.
type span struct {
	place Place
	to    Place // what comes after it is in memory, unless place is ahead of it
	// The most in a page.
	limit, size int
}

// read reads what follows, and reports whether there may be more.
func (s *span) read(ctx context.Context, l *Ledger, ahead bool) (pages []Page, more bool, err error) {
	began, n := l.changes.now(), s.limit
	if ahead {
		n = max(n, readAhead)
	}
	rows, err := l.changesAfter(ctx, s.place, n)
	if err != nil {
		return nil, false, err
	}
	unread := s.place.Sequence > s.to.Sequence // by this process
	page := Page{Place: s.place}
	for _, row := range rows {
		if !unread && row.Sequence > s.to.Sequence {
			page.Place = s.to // what was between has expired
			return append(pages, page), false, nil
		}
		message := l.change(row)
		place, bytes := PlaceOf(row), bytesOf(message)
		if !page.add(place, message, bytes, s.limit, s.size) {
			if pages = append(pages, page); !ahead {
				return pages, false, nil
			}
			page = Page{Changes: make([]*feedv1.Change, 0, len(page.Changes))}
			page.add(place, message, bytes, s.limit, s.size)
		}
	}
	switch {
	case len(rows) > 0: // a standby may lack those after them
		more = true
	case unread:
		page.Through = began
	default:
		page.Place = s.to
	}
	s.place = page.Place
	return append(pages, page), more, nil
}
