package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Who may wait for a fetch. While there are keys, only those who come soon after
// it started, so that a flood of unknown kids does not pile up behind a slow
// issuer; and never more than maxWaiting.
const (
	joinable   = 250 * time.Millisecond
	maxWaiting = 4096
)

// A caller is one whose key is not known.
type caller struct {
	hint  Hint
	came  int    // number of the last fetch that had started by then
	fetch *fetch // that it waits for; nil at first
}

// lookupFresh waits for a fetch that is under way and, because that one may have
// left before the key was published, for one that left later. Whichever fetch
// brings the key, the wait is over.
func (r *Remote) lookupFresh(ctx context.Context, hint Hint) ([]*Key, error) {
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		keys, err := r.find(hint)
		return keys, r.explain(err)
	}
	c := caller{hint: hint}
	for {
		news := r.newsFor(&c) //nolint:contextcheck // a fetch is shared: no caller's context may end it
		if news == nil {
			keys, err := r.find(hint)
			return keys, r.explain(err)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the caller left before it was fetched: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// newsFor returns what is closed when the caller should look again; or nil when it
// is to be answered with what is there: because that has its key, or is an
// answer to a request that left after the caller came, or because no fetch can
// still help.
func (r *Remote) newsFor(c *caller) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.fetch == nil {
		c.came = r.refresh.started
	}
	_, err := r.find(c.hint)
	switch {
	case !isUnknown(err), r.refresh.succeeded > c.came:
		return nil
	case slices.Contains(r.refresh.flying, c.fetch):
		return r.refresh.settled
	case c.fetch != nil && r.refresh.failures > 0:
		return nil
	}
	if c.fetch = r.fetchFor(c.hint); c.fetch == nil {
		return nil
	}
	return r.refresh.settled
}

// fetchFor returns the fetch that can help a caller whose key is not known, or
// nil when there is none. r.mu must be held.
//
// Callers join the newest fetch only while all is well: an issuer that fails may
// hang. Otherwise, one caller per cool-down starts a fetch of its own; but not
// while there are no keys and retries come quicker than that anyway, and not for
// a token that names no key, which a newer set could not have either.
func (r *Remote) fetchFor(hint Hint) *fetch {
	ready, failing := r.Ready(), r.refresh.failures > 0
	if ready && hint.name() == (Hint{}) {
		return nil
	}
	now := r.config.Now()
	if f := r.newest(); f != nil && !failing && (!ready || now.Sub(f.sentAt) <= joinable) {
		return f
	}
	if failing && !ready || now.Sub(r.refresh.lastOnToken) < r.config.Cooldown {
		return nil
	}
	r.refresh.lastOnToken = now
	return r.start()
}

// newest returns the fetch under way that started last, or nil.
func (r *Remote) newest() *fetch {
	if n := len(r.refresh.flying); n > 0 {
		return r.refresh.flying[n-1]
	}
	return nil
}

// explain adds to ErrUnavailable the reason that logs want.
func (r *Remote) explain(err error) error {
	if !errors.Is(err, ErrUnavailable) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refresh.lastError == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, r.refresh.lastError)
}
