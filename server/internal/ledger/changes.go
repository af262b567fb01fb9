package ledger

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
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
	// at most: about 1 KiB each, and their texts.
	keptChanges = 1 << 14
	// maxChangeBytes bounds the texts of those that are kept, which can be long. There are
	// fewer then.
	maxChangeBytes = 32 << 20
	// wakeInterval is how often followers are woken at most: when there are many changes,
	// each gets several at once.
	wakeInterval = 50 * time.Millisecond
	// maxStoreReaders is how many followers are served from the store at once at most.
	maxStoreReaders = 8
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
	keep    int              // how many at least, unless they are long
	readers chan struct{}    // has one element for each follower that is served from the store
	waiting atomic.Int64     // followers that wait to be served from the store

	mu      sync.Mutex
	before  Place     // the last before those that are kept
	kept    []*change // in order
	bytes   int       // of the texts of those that are kept
	through time.Time // everything that was saved by then was read
	failure error     // why that is not known since; nil where it is
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

// newChanges returns no changes yet. concurrency is how many calls the store serves at once.
func newChanges(message func(store.Revocation) *feedv1.Change, concurrency int) *changes {
	return &changes{message: message, now: time.Now, keep: keptChanges, readers: make(chan struct{}, storeReaders(concurrency)), read: make(chan struct{})}
}

// storeReaders is how many followers are served from the store at once: never by more than
// half of its connections, so that revoking does not wait for them.
func storeReaders(concurrency int) int { return min(max(concurrency/2, 1), maxStoreReaders) }

// textBytes returns the length of the texts of a change.
func textBytes(row store.Revocation) int {
	return len(row.Target.Issuer) + len(row.Target.Value) + len(row.Target.Subject)
}

// add adds what was read from the store, in order.
func (c *changes) add(rows []store.Revocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		c.kept = append(c.kept, &change{row: row})
		c.bytes += textBytes(row)
	}
	if len(c.kept) > 2*c.keep {
		c.drop(len(c.kept) - c.keep)
	}
	if c.bytes > maxChangeBytes {
		n, left := 0, c.bytes
		for ; left > maxChangeBytes/2; n++ {
			left -= textBytes(c.kept[n].row)
		}
		c.drop(n)
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

// drop drops the first n. c.mu must be held.
func (c *changes) drop(n int) {
	for _, dropped := range c.kept[:n] {
		c.bytes -= textBytes(dropped.row)
	}
	c.before = PlaceOf(c.kept[n-1].row)
	c.kept = slices.Clone(c.kept[n:])
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
	if c.through, c.failure = through, nil; first {
		c.wake() // those who have everything, and did not know
	}
}

// fail says that it cannot be known whether everything was read.
func (c *changes) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.failure == nil
	if c.failure = why; first {
		c.wake() // those who wait until it is known
	}
}

// restart says that all is read again, from the first on.
func (c *changes) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.kept, c.bytes, c.through = Place{}, nil, 0, time.Time{}
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
		page = Page{Place: place, Through: c.through}
		if page.Through.IsZero() {
			page.Failure = c.failure
		}
		return page, nil, c.read, nil
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
		if !page.add(PlaceOf(next.row), next.message, next.bytes, limit, size) {
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
	// Failure is why it is not known whether there are more, and will not be soon. It is
	// nil while they are being read.
	Failure error

	bytes int // of the changes in a list
}

// add adds the next change, and reports whether it has. There are up to limit changes of
// up to size bytes together, but at least one.
func (p *Page) add(place Place, message *feedv1.Change, bytes, limit, size int) bool {
	if len(p.Changes) > 0 && (len(p.Changes) >= limit || p.bytes+bytes > size) {
		return false
	}
	p.Changes, p.Place = append(p.Changes, message), place
	p.bytes += bytes
	return true
}

// bytesOf returns how long a change is in a list of them.
func bytesOf(message *feedv1.Change) int {
	return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(message))
}

// A Cursor reads the changes in order. It has a place, and keeps nothing else between its
// calls but, for a second, what it has read ahead. It is for one goroutine.
type Cursor struct {
	ledger   *Ledger
	epoch    [16]byte // of the database that has the place
	place    Place
	ahead    bool      // whether to read more from the store than the next page
	fetching *fetching // nil where nothing comes from the store
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

// Follow returns a Cursor that begins after a place in the database of an epoch, and reads
// ahead where that is for more than one page.
func (l *Ledger) Follow(epoch [16]byte, after Place, ahead bool) *Cursor {
	return &Cursor{ledger: l, epoch: epoch, place: after, ahead: ahead}
}

// Next returns the next changes, up to limit of them, and up to size bytes, but at least
// one; limit and size are the same in each call. If there are none yet, it returns at once
// with a channel that is closed when it should be called again. It stops to read ahead when
// ctx ends. An error is the answer to the caller.
func (c *Cursor) Next(ctx context.Context, limit, size int) (page Page, wait <-chan struct{}, err error) {
	if c.ledger.Epoch() != c.epoch {
		return Page{}, nil, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	if c.fetching != nil {
		page, wait, ended, err := c.fetching.next()
		switch {
		case err != nil:
			c.fetching = nil
			return Page{Place: c.place}, nil, err
		case ended:
			c.fetching = nil
		case wait != nil:
			return Page{Place: c.place}, wait, nil
		default:
			c.place, wait = page.Place, c.fetching.read
			if len(page.Changes) == 0 { // it is the last
				c.fetching = nil
			}
			if len(page.Changes) > 0 || !page.Through.IsZero() {
				return page, wait, nil
			}
		}
	}
	page, fetch, wait, err := c.ledger.changes.after(c.place, limit, size)
	if err != nil {
		return Page{}, nil, err
	}
	if fetch != nil {
		c.fetching = c.ledger.fetch(ctx, c.ahead, span{place: c.place, to: *fetch, limit: limit, size: size}, wait)
		return c.Next(ctx, limit, size)
	}
	c.place = page.Place
	return page, wait, nil
}

// Latest returns the latest revocation that was read, as far as its order goes.
func (l *Ledger) Latest() store.Revocation { return l.changes.place().revocation() }

// Changed returns a channel that is closed when there may be later ones.
func (l *Ledger) Changed() <-chan struct{} {
	l.changes.mu.Lock()
	defer l.changes.mu.Unlock()
	return l.changes.read
}
