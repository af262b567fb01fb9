// Package transmitter sends revocations to receivers of security events (Shared Signals
// Framework 1.0): it pushes them (RFC 8935), or receivers fetch them (RFC 8936).
//
//	t := transmitter.Start(ctx, transmitter.Config{Issuer: "https://ostiary.example.com", Store: db, …})
//	defer t.Close()
//	for pattern, handler := range t.Routes(protect, owner) {
//		mux.Handle(pattern, handler)
//	}
//
// A stream has a place in the order of all revocations, which moves on when its receiver has
// the events before it. So nothing is kept of an event, and what a crash interrupts is sent
// again, with the same jti. Servers that share the database share the streams: each claims
// for a while those on which something is to be sent.
package transmitter

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxStreams bounds the streams, and maxOwnStreams those of one owner.
	maxStreams    = 100
	maxOwnStreams = 10
	// atOnce is how many events of a stream are sent at once.
	atOnce = 16
	// lease is how long others leave a stream to the process that has claimed it. It is
	// renewed before each attempt to send.
	lease = 2 * attemptTimeout
	// pollInterval is how often the store is looked into where no news of a revocation comes,
	// and storeTimeout how long that may take.
	pollInterval = time.Second
	storeTimeout = 10 * time.Second
	// summaryInterval is how often the streams are counted.
	summaryInterval = 10 * time.Second
	// logInterval is how often it is logged that the store fails.
	logInterval = time.Minute
)

// Config says what is sent, and as whom. Every field is required, but AllowPrivate.
type Config struct {
	// Issuer is the URL of the server, without a path: the iss of events, and where its
	// endpoints are.
	Issuer string
	// AllowPrivate lets events be pushed to addresses that are not on the internet.
	AllowPrivate bool
	Store        store.Store
	// Latest returns the latest revocation that was read, after which new streams begin.
	Latest func() store.Revocation
	// Changed returns a channel that is closed when there are newer ones.
	Changed func() <-chan struct{}
	// Now is the clock, which is compared with that of other servers.
	Now func() time.Time
	// Log receives what becomes of streams. No line has an authorization header, or what an
	// endpoint has answered.
	Log *slog.Logger
	// Stopping is closed when requests that wait should be answered.
	Stopping <-chan struct{}
}

// A Transmitter sends events. Its methods may be called from any goroutine.
type Transmitter struct {
	config Config
	client *http.Client
	signer *signer
	wake   chan struct{}
	stop   context.CancelFunc
	done   sync.WaitGroup

	waiting chan struct{} // has one element for each receiver that waits for events

	mu      sync.Mutex
	summary Summary
	failed  time.Time // when that was logged last
}

// Start begins to send. Close ends that; the context does not.
func Start(ctx context.Context, config Config) *Transmitter {
	t := &Transmitter{
		config: config, client: newClient(config.AllowPrivate), signer: &signer{store: config.Store, now: config.Now},
		wake: make(chan struct{}, 1), waiting: make(chan struct{}, maxWaiting),
	}
	ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.done.Go(func() { t.run(ctx) })
	t.done.Go(func() { t.keepSummary(ctx) })
	return t
}

// Close stops, in the middle of what it does: others, or the next process, do that again. A
// nil Transmitter does nothing.
func (t *Transmitter) Close() {
	if t == nil {
		return
	}
	t.stop()
	t.done.Wait()
	t.client.CloseIdleConnections()
}

// run claims streams and sends on them, each in a goroutine of its own.
func (t *Transmitter) run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		changed := t.config.Changed()
		claimed, err := t.claim(ctx)
		if err != nil {
			t.fails(ctx, "looking for streams", err)
		}
		for _, stream := range claimed {
			sending.Go(func() {
				t.send(ctx, stream)
				t.wakeUp() // there may be more by now
			})
		}
		select {
		case <-changed:
		case <-t.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// now returns the time as it is kept, by which a claim is known again.
func (t *Transmitter) now() time.Time { return t.config.Now().Truncate(time.Microsecond) }

func (t *Transmitter) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Transmitter) claim(ctx context.Context) ([]store.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := t.now()
	return t.config.Store.ClaimStreams(ctx, now, now.Add(lease))
}

// fails logs that the store or the keys fail, once in a while.
func (t *Transmitter) fails(ctx context.Context, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil || time.Since(t.failed) < logInterval {
		return
	}
	t.failed = time.Now()
	t.config.Log.ErrorContext(ctx, "the transmitter of security events fails; it tries again", "at", what, "error", err)
}

// next returns revocations that come after the place of a stream. If the database does not
// know that place, it is moved to the first.
func (t *Transmitter) next(ctx context.Context, s *store.Stream, limit int) ([]store.Revocation, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rows, err := t.config.Store.Revocations(ctx, store.RevocationListing{After: store.Revocation{Sequence: s.Sequence, CreatedAt: s.SequenceAt}}, limit)
	if errors.Is(err, store.ErrNotGiven) {
		t.config.Log.WarnContext(ctx, "the database lacks what was sent on a stream; everything in it is sent again", "stream", s.ID)
		s.Sequence, s.SequenceAt = 0, time.Time{}
		rows, err = t.config.Store.Revocations(ctx, store.RevocationListing{}, limit)
	}
	return rows, err
}

// pass moves the place of a stream behind a revocation. Those between that were pruned
// before, the receiver has missed.
func pass(s *store.Stream, r store.Revocation) {
	if s.Sequence > 0 {
		s.Missed += r.Sequence - s.Sequence - 1
	}
	s.Sequence, s.SequenceAt = r.Sequence, r.CreatedAt
}

// A Summary says how the streams are.
type Summary struct {
	Streams int `json:"streams"`
	// Failing are those whose receivers did not take the last event, and Paused those on which
	// nothing is sent.
	Failing int `json:"failing"`
	Paused  int `json:"paused"`
	// Missed counts the revocations that had expired before receivers got them, and Refused
	// those that receivers refused.
	Missed  int64 `json:"missed"`
	Refused int64 `json:"refused"`
	// Lag is how long the oldest revocation has waited, in seconds, that a stream which is not
	// paused has not delivered.
	Lag int64 `json:"lag_seconds"`
}

// Summary returns how the streams of all servers were a few seconds ago.
func (t *Transmitter) Summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.summary
}

func (t *Transmitter) keepSummary(ctx context.Context) {
	tick := time.NewTicker(summaryInterval)
	defer tick.Stop()
	for {
		if summary, err := t.summarize(ctx); err != nil {
			t.fails(ctx, "counting the streams", err)
		} else {
			t.mu.Lock()
			t.summary = summary
			t.mu.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *Transmitter) summarize(ctx context.Context) (Summary, error) {
	all, err := t.streams(ctx)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Streams: len(all)}
	for _, s := range all {
		sum.Missed += s.Missed
		sum.Refused += s.Refused
		if s.Status != store.StreamEnabled {
			sum.Paused++
			continue
		}
		if s.Failures > 0 {
			sum.Failing++
		}
		if s.Sequence >= t.config.Latest().Sequence {
			continue
		}
		rows, err := t.next(ctx, &s, 1)
		if err != nil {
			return Summary{}, err
		}
		if len(rows) > 0 {
			sum.Lag = max(sum.Lag, int64(t.now().Sub(rows[0].CreatedAt).Seconds()))
		}
	}
	return sum, nil
}

func (t *Transmitter) streams(ctx context.Context) ([]store.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return t.config.Store.Streams(ctx)
}
