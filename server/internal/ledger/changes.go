package ledger

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// keptChanges is how many changes are kept in memory at least, and half of how many
	// at most: about 1 KiB each.
	keptChanges = 1 << 14
	// wakeInterval is how often followers are woken at most: when there are many changes,
	// each gets several at once.
	wakeInterval = 50 * time.Millisecond
	// storeReaders is how many followers are served from the store at once.
	storeReaders = 8
)

// A Place is that of a revocation among all, in the order of their sequence. The time
// tells it from one that has the same number in a database that was restored from a
// backup. The zero Place is before the first.
type Place struct {
	Sequence  int64 `json:"n"`
	CreatedAt int64 `json:"t"` // in microseconds since 1970
}

// PlaceOf returns the place of a revocation.
func PlaceOf(r store.Revocation) Place { return Place{r.Sequence, r.CreatedAt.UnixMicro()} }

// revocation returns the revocation at a place, as far as its order goes.
func (p Place) revocation() store.Revocation {
	return store.Revocation{Sequence: p.Sequence, CreatedAt: time.UnixMicro(p.CreatedAt).UTC()}
}

// changes are the latest revocations that were read from the store. Followers come for
// them, so that one who is slow costs nothing.
type changes struct {
	message func(store.Revocation) *feedv1.Change
	now     func() time.Time // a clock that does not jump
	keep    int              // how many at least
	readers chan struct{}    // has one element for each follower that is served from the store

	mu      sync.Mutex
	before  Place     // the last before those that are kept
	kept    []*change // in order
	through time.Time // everything that was saved by then was read
	read    chan struct{}
	woken   time.Time // when read was closed last
	waking  bool      // whether it will be soon
}

// A change is a revocation, and what followers get of it once one was there.
type change struct {
	row     store.Revocation
	message *feedv1.Change
	bytes   int // in a list of changes
}

func newChanges(message func(store.Revocation) *feedv1.Change) *changes {
	return &changes{message: message, now: time.Now, keep: keptChanges, readers: make(chan struct{}, storeReaders), read: make(chan struct{})}
}

// add adds what was read from the store, in order.
func (c *changes) add(rows []store.Revocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		c.kept = append(c.kept, &change{row: row})
	}
	if drop := len(c.kept) - c.keep; drop > c.keep {
		c.before = PlaceOf(c.kept[drop-1].row)
		c.kept = slices.Clone(c.kept[drop:])
	}
	if c.waking {
		return
	}
	if early := wakeInterval - time.Since(c.woken); early > 0 {
		c.waking = true
		time.AfterFunc(early, c.wakeLate)
		return
	}
	c.wake()
}

func (c *changes) wakeLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake()
}

// complete says that everything was read that any process had saved by a time.
func (c *changes) complete(through time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.through.IsZero()
	if c.through = through; first {
		c.wake() // those who have everything, and did not know
	}
}

// restart says that all is read again, from the first on.
func (c *changes) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.kept, c.through = Place{}, nil, time.Time{}
	c.wake()
}

func (c *changes) wake() {
	c.woken, c.waking = time.Now(), false
	close(c.read)
	c.read = make(chan struct{})
}

// place returns the place of the last that was read.
func (c *changes) place() Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last()
}

// last is place, for those who hold mu.
func (c *changes) last() Place {
	if len(c.kept) == 0 {
		return c.before
	}
	return PlaceOf(c.kept[len(c.kept)-1].row)
}

// after returns the changes that follow a place, as far as they are kept. Otherwise fetch
// is where those that are to be read from the store first end.
func (c *changes) after(place Place, limit, size int) (page Page, fetch *Place, read <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.last()
	if place == last {
		return Page{Place: place, Through: c.through}, nil, c.read, nil
	}
	at, found := slices.BinarySearchFunc(c.kept, place.Sequence, func(c *change, n int64) int { return cmp.Compare(c.row.Sequence, n) })
	switch {
	case place.Sequence <= 0 && place != (Place{}), found && PlaceOf(c.kept[at].row) != place:
		return Page{}, nil, nil, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	case found:
		at++
	case place != c.before: // the store knows whether it has given the place
		return Page{Place: place}, &last, c.read, nil
	}
	page.Place = place
	for _, next := range c.kept[at:] {
		if next.message == nil {
			next.message = c.message(next.row)
			next.bytes = bytesOf(next.message)
		}
		if !page.add(next, limit, size) {
			break
		}
	}
	if page.Place == last {
		page.Through = c.through
	}
	return page, nil, c.read, nil
}

// A Page is changes that follow each other. They must not be changed.
type Page struct {
	Changes []*feedv1.Change
	Place   Place // after them
	// Through, if it is not zero, says that these are the last: there is nothing else
	// that any process had saved by this time, of a clock that does not jump.
	Through time.Time

	bytes int // of the changes in a list
}

// add adds the next change, and reports whether it has. There are up to limit changes of
// up to size bytes together, but at least one.
func (p *Page) add(next *change, limit, size int) bool {
	if len(p.Changes) > 0 && (len(p.Changes) >= limit || p.bytes+next.bytes > size) {
		return false
	}
	p.Changes, p.Place = append(p.Changes, next.message), PlaceOf(next.row)
	p.bytes += next.bytes
	return true
}

// bytesOf returns how long a change is in a list of them.
func bytesOf(message *feedv1.Change) int {
	return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(message))
}

// A Cursor reads the changes in order. It has a place, and keeps nothing else between its
// calls. It is for one goroutine.
type Cursor struct {
	ledger  *Ledger
	epoch   [16]byte // of the database that has the place
	place   Place
	fetched *fetched // nil where nothing is being fetched
}

// fetched is a page that comes from the store.
type fetched struct {
	done chan struct{} // closed when there is
	page Page
	read <-chan struct{} // is closed when there may be more
	err  error
}

// change returns what followers get of a revocation. Of one that means nothing they get
// no target, so that they know that they do not know what it revokes.
func (l *Ledger) change(row store.Revocation) *feedv1.Change {
	message := l.config.Change(row)
	if _, err := l.readRevocation(row); err != nil {
		message.GetRevoked().Target = nil
	}
	return message
}

// Follow returns a Cursor that begins after a place in the database of an epoch.
func (l *Ledger) Follow(epoch [16]byte, after Place) *Cursor {
	return &Cursor{ledger: l, epoch: epoch, place: after}
}

// Next returns the next changes, up to limit of them, and up to size bytes, but at least
// one. If there are none yet, it returns at once with a channel that is closed when it
// should be called again. An error is the answer to the caller.
func (c *Cursor) Next(ctx context.Context, limit, size int) (page Page, wait <-chan struct{}, err error) {
	if c.ledger.Epoch() != c.epoch {
		return Page{}, nil, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	if c.fetched != nil {
		select {
		case <-c.fetched.done:
		default:
			return Page{Place: c.place}, c.fetched.done, nil
		}
		page, wait, err, c.fetched = c.fetched.page, c.fetched.read, c.fetched.err, nil
		c.place = page.Place
		if err != nil || len(page.Changes) > 0 || !page.Through.IsZero() {
			return page, wait, err
		}
	}
	page, fetch, wait, err := c.ledger.changes.after(c.place, limit, size)
	if err != nil {
		return Page{}, nil, err
	}
	if fetch != nil {
		c.fetched = &fetched{done: make(chan struct{}), read: wait}
		go c.fetched.fetch(ctx, c.ledger, c.place, *fetch, limit, size)
		return page, c.fetched.done, nil
	}
	c.place = page.Place
	return page, wait, nil
}

// fetch reads what follows a place from the store, up to another place, if that is later.
func (f *fetched) fetch(ctx context.Context, l *Ledger, place, to Place, limit, size int) {
	defer close(f.done)
	f.page.Place = place
	select {
	case l.changes.readers <- struct{}{}:
	case <-ctx.Done():
		f.err = ctx.Err()
		return
	}
	began := l.changes.now()
	rows, _, err := l.revocationsBy(ctx, l.store.Changes, place, limit)
	<-l.changes.readers
	if err != nil {
		f.err = err
		return
	}
	ahead := place.Sequence > to.Sequence // of what this process has read
	for _, row := range rows {
		if !ahead && row.Sequence > to.Sequence {
			f.page.Place = to // what was between has expired
			return
		}
		message := l.change(row)
		if !f.page.add(&change{row, message, bytesOf(message)}, limit, size) {
			return
		}
	}
	switch {
	case len(rows) > 0: // a standby may lack those after them
	case ahead:
		f.page.Through = began
	default:
		f.page.Place = to
	}
}
