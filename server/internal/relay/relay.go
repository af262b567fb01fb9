// Package relay serves the changes of another server's feed, from memory and without a
// database.
//
//	r, err := relay.Start(relay.Config{Feed: feed.Config{Hubs: hubs, TokenSource: source, …}, Scope: scope})
//	guard := &auth.Guard{Revocations: r.Follower(), …}
//	cursor := r.Follow(epoch, place) // for each of its followers
//
// It is a follower of its hub, and keeps what that sends as it came, so that also what
// this version does not know reaches its own followers. Places are those of the hub. What
// is known of them is where each message of the hub ended, so pages end there too.
package relay

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

const (
	// retryDelay is how long a caller should wait while there is nothing to serve.
	retryDelay = time.Second
	// pruneInterval is how often expired changes are removed, and pruneMargin how long
	// after their expiry.
	pruneInterval = 10 * time.Minute
	pruneMargin   = time.Hour
)

// errUnknown is why nothing is known to be complete.
var errUnknown = errors.New("the hub has sent a change that this relay does not know, so that nothing is known to be complete; update the relay, or follow the hub")

// Config says what to follow, and how.
type Config struct {
	// Feed says how. Its Relay is set by Start.
	Feed feed.Config
	// Scope is that of positions in the feed.
	Scope position.Scope
	// Now is the time of day by which expired changes are removed.
	Now func() time.Time
}

// A Relay follows a hub and serves its changes. Its methods may be called from any
// goroutine.
type Relay struct {
	config   Config
	follower *feed.Follower
	sends    chan struct{} // has one element for each report that is being sent
	confirms chan *feedv1.ReportRequest
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	whole     *history // what is served; nil until everything was received once
	arriving  *history // from the beginning; nil while nothing is
	retention *durationpb.Duration
	hubTime   time.Time     // in the last message
	received  chan struct{} // closed with the next message
	readers   map[readerKey]*reader
}

// Start begins to follow, and does not wait for a hub.
func Start(config Config) (*Relay, error) {
	r := &Relay{
		config: config, sends: make(chan struct{}, maxSends), confirms: make(chan *feedv1.ReportRequest, maxSends),
		received: make(chan struct{}), readers: make(map[readerKey]*reader),
	}
	config.Feed.Relay = r
	follower, err := feed.Follow(config.Feed)
	if err != nil {
		return nil, err
	}
	r.follower = follower
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.running.Go(func() { r.keepReaders(ctx) })
	r.running.Go(func() { r.keepPruning(ctx) })
	return r, nil
}

// Close ends the following.
func (r *Relay) Close() error {
	r.cancel()
	r.running.Wait()
	return r.follower.Close()
}

// Follower returns the follower of the hub, which has the revocations.
func (r *Relay) Follower() *feed.Follower { return r.follower }

// Receive implements feed.Relay.
func (r *Relay) Receive(message *feedv1.WatchChangesResponse, restart bool) error {
	token := message.GetResumeToken()
	epoch, _ := position.EpochOf(token)
	place, err := position.Decode[ledger.Place](token, epoch, r.config.Scope)
	if token == "" || err != nil {
		return errors.New("the hub's position cannot be read: update this relay")
	}
	next, err := newBatch(place, message.GetChanges())
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if restart {
		r.arriving = &history{epoch: epoch}
	}
	h := r.whole
	if r.arriving != nil {
		h = r.arriving
	}
	if h == nil || h.epoch != epoch || !h.add(next) {
		return errors.New("the hub has gone back to an earlier position")
	}
	if r.arriving != nil && message.GetCompleteThrough() != nil {
		r.whole, r.arriving = r.arriving, nil
	}
	r.retention = message.GetRetention()
	if message.GetHubTime().IsValid() {
		r.hubTime = message.GetHubTime().AsTime()
	}
	close(r.received)
	r.received = make(chan struct{})
	return nil
}

// Messages implements feed.Relay.
func (r *Relay) Messages() iter.Seq[*feedv1.WatchChangesResponse] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole == nil {
		return func(func(*feedv1.WatchChangesResponse) bool) {}
	}
	epoch, retention, batches := r.whole.epoch, r.retention, r.whole.from(0)
	return func(yield func(*feedv1.WatchChangesResponse) bool) {
		token := position.Encode(epoch, r.config.Scope, ledger.Place{})
		for _, b := range batches {
			token = position.Encode(epoch, r.config.Scope, b.place)
			if !yield(&feedv1.WatchChangesResponse{Changes: b.messages(), ResumeToken: token, Retention: retention}) {
				return
			}
		}
		yield(&feedv1.WatchChangesResponse{ResumeToken: token, Retention: retention, CompleteThrough: new(durationpb.Duration)})
	}
}

// Epoch identifies the hub's database. It is zero until there is something to serve.
func (r *Relay) Epoch() [16]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole == nil {
		return [16]byte{}
	}
	return r.whole.epoch
}

// Retention returns how long the hub keeps revocations.
func (r *Relay) Retention() *durationpb.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.retention
}

// through returns as of when the copy is complete, by a clock that does not jump; zero if
// it never was. It stops at a change that this version does not know.
func (r *Relay) through() time.Time {
	now := time.Now() // before the age, or a pause between them would make the copy younger
	status := r.follower.Status()
	if !status.CaughtUp {
		return time.Time{}
	}
	return now.Add(-status.Age)
}

// A Cursor reads the changes in order, for one follower. It is for one goroutine.
type Cursor struct {
	relay *Relay
	epoch [16]byte
	place ledger.Place
	began time.Time
}

// Follow returns a Cursor that begins after a place in the database of an epoch.
func (r *Relay) Follow(epoch [16]byte, after ledger.Place) *Cursor {
	return &Cursor{r, epoch, after, time.Now()}
}

// Next returns the next changes, as that of a ledger's cursor does. There may be more than
// limit of them, or than size bytes: those of a message of the hub. An error is the answer
// to the caller.
func (c *Cursor) Next(_ context.Context, limit, size int) (page ledger.Page, wait <-chan struct{}, err error) {
	through := c.relay.through() // before the changes are looked up, which have all of that
	batches, last, wait, err := c.next(limit, size, through)
	if err != nil {
		return ledger.Page{}, nil, err
	}
	for _, b := range batches {
		page.Changes = append(page.Changes, b.messages()...)
		c.place = b.place
	}
	if page.Place = c.place; last {
		page.Through = through
	}
	if last && through.IsZero() {
		page.Failure = errUnknown
	}
	return page, wait, nil
}

// next returns the batches of the next page, and whether they are the last.
func (c *Cursor) next(limit, size int, through time.Time) (batches []*batch, last bool, wait <-chan struct{}, err error) {
	r := c.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.whole
	switch {
	case h == nil:
		return nil, false, nil, rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.RetryAfter(retryDelay))
	case h.epoch != c.epoch:
		return nil, false, nil, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	at, err := h.after(c.place)
	switch {
	case errors.Is(err, errAhead) && !through.After(c.began): // the hub may have given it
		return nil, false, r.received, nil
	case errors.Is(err, errAhead):
		return nil, false, nil, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	case err != nil:
		return nil, false, nil, err
	}
	batches = h.page(at, limit, size)
	return batches, at+len(batches) == len(h.batches), r.received, nil
}

// Unavailable is the answer where a page has a failure.
func (r *Relay) Unavailable(_ context.Context, failure error) error {
	return rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.RetryAfter(retryDelay), rpcerror.Message("%v", failure))
}

// Refresh does nothing: what the guard knows of, the followers get first.
func (r *Relay) Refresh(context.Context) {}

// keepPruning removes what has expired, until ctx ends.
func (r *Relay) keepPruning(ctx context.Context) {
	tick := time.NewTicker(pruneInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.prune()
		case <-ctx.Done():
			return
		}
	}
}

// prune removes what has expired by the clock of this machine and that of the hub: one
// that is wrong must not decide what others need.
func (r *Relay) prune() {
	r.mu.Lock()
	h, now := r.whole, r.config.Now()
	if r.hubTime.Before(now) {
		now = r.hubTime
	}
	var batches []*batch
	if h != nil {
		batches = h.from(0)
	}
	r.mu.Unlock()
	if len(batches) == 0 || now.IsZero() {
		return
	}
	kept := pruned(batches, now.Add(-pruneMargin)) // which takes a while
	r.mu.Lock()
	defer r.mu.Unlock()
	h.replace(len(batches), kept)
}
