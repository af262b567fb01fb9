package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits for waiting callers. While there are keys, a caller joins a fetch only
// within joinWindow of its start, so that a flood of unknown kids does not queue
// behind a slow issuer. At most maxWaiting callers wait.
const (
	joinWindow = 250 * time.Millisecond
	maxWaiting = 4096
)

// Lookup implements Set. A known key is found without a lock, an allocation or a
// wait.
//
// For an unknown name, and before the first keys, it waits for at most two
// fetches, and less when ctx ends, which is ErrUnavailable with the cause of ctx.
// A token that names no key never causes a fetch.
func (r *Remote) Lookup(ctx context.Context, hint Hint) ([]*Key, error) {
	keys, err := r.find(hint)
	if isUnknown(err) {
		return r.lookupFresh(ctx, hint)
	}
	return keys, err
}

func (r *Remote) find(hint Hint) ([]*Key, error) {
	g := r.usable()
	if g == nil {
		return nil, ErrUnavailable
	}
	return g.find(hint)
}

// isUnknown reports whether a newer set could have another answer than err.
func isUnknown(err error) bool {
	return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrUnavailable)
}

var errNoAnswer = fmt.Errorf("it has not answered for %v", slowWithKeys)

// A caller is looking for a key that is not in the set.
type caller struct {
	hint          Hint
	startedBefore int    // number of the last fetch that started before the lookup
	fetch         *fetch // the one it waits for; nil at first
}

func (r *Remote) newCaller(hint Hint) caller {
	r.mu.Lock()
	defer r.mu.Unlock()
	return caller{hint: hint, startedBefore: r.refresh.started}
}

// lookupFresh waits for a fetch that is in flight and, because the key may have been
// published after that one started, for a later one. It returns as soon as any fetch
// brings the key.
func (r *Remote) lookupFresh(ctx context.Context, hint Hint) ([]*Key, error) {
	c := r.newCaller(hint)
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		return r.answer(c)
	}
	for {
		result := r.nextResult(&c) //nolint:contextcheck // a fetch is shared: no caller's context may end it
		if result == nil {
			return r.answer(c)
		}
		select {
		case <-result:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the caller left before it was fetched: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// nextResult returns a channel that is closed when the next fetch ends, or nil if the
// caller need not wait: because the key is there, because a fetch that started after
// the lookup has succeeded, or because no fetch can help.
func (r *Remote) nextResult(c *caller) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.find(c.hint)
	switch {
	case !isUnknown(err), r.refresh.succeeded > c.startedBefore:
		return nil
	case slices.Contains(r.refresh.inFlight, c.fetch):
		return r.refresh.finished
	case c.fetch != nil && r.refresh.failures > 0:
		return nil
	}
	if c.fetch = r.fetchFor(c.hint); c.fetch == nil {
		return nil
	}
	return r.refresh.finished
}

// fetchFor returns the fetch that can help a caller whose key is not known, or
// nil when there is none. r.mu must be held.
//
// A caller joins the newest fetch unless the last one failed, since a failing issuer
// may hang. Otherwise it starts a fetch of its own if the bucket allows. A token that
// names no key never starts one while there are keys, since no newer set could help it.
func (r *Remote) fetchFor(hint Hint) *fetch {
	ready, failing := r.Ready(), r.refresh.failures > 0
	if ready && hint.name() == (Hint{}) {
		return nil
	}
	now := r.config.Now()
	if f := r.newest(); f != nil && !failing && (!ready || now.Sub(f.sentAt) <= joinWindow) {
		return f
	}
	if !r.refresh.onToken.take(now, r.config.Cooldown) {
		return nil
	}
	return r.start()
}

// newest returns the fetch in flight that started last, or nil.
func (r *Remote) newest() *fetch {
	if n := len(r.refresh.inFlight); n > 0 {
		return r.refresh.inFlight[n-1]
	}
	return nil
}

// answer returns the result of the lookup as of now. If the issuer cannot be reached
// and has not answered since the lookup began, nobody knows whether it has such a
// key. That is ErrUnavailable, so that an outage in the middle of a rotation signs
// nobody out. A token that names no key is refused even then, since no newer set
// could help it.
func (r *Remote) answer(c caller) ([]*Key, error) {
	r.mu.Lock() // no fetch brings the key between these two looks
	defer r.mu.Unlock()
	keys, err := r.find(c.hint)
	if errors.Is(err, ErrUnknownKey) {
		r.refresh.unknown++
	}
	if !isUnknown(err) || r.Ready() && c.hint.name() == (Hint{}) {
		return keys, err
	}
	if cause := r.unreachable(); cause != nil && r.refresh.succeeded <= c.startedBefore {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	return nil, err
}

// unreachable returns why the issuer cannot be reached: the last fetch that ended
// has failed, or one has been in flight for longer than slowWithKeys. It returns nil
// when all is well. r.mu must be held.
func (r *Remote) unreachable() error {
	if r.refresh.lastError != nil {
		return r.refresh.lastError
	}
	inFlight := r.refresh.inFlight
	if len(inFlight) > 0 && r.config.Now().Sub(inFlight[0].sentAt) > slowWithKeys {
		return errNoAnswer
	}
	return nil
}

// bucketSize is how many fetches unknown keys may cause at once, before each costs
// a cool-down: two, so that one stray token does not make a rotation wait.
const bucketSize = 2

// A bucket limits a rate: it holds bucketSize tokens and gains one in each
// interval. The zero value is full.
type bucket struct {
	full time.Time // when it will be
}

// take takes a token out, unless it is empty.
func (b *bucket) take(now time.Time, interval time.Duration) bool {
	if b.full.Sub(now) > (bucketSize-1)*interval {
		return false
	}
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(interval)
	return true
}
