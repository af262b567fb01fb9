package jwks

import (
	"context"
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

var errNoAnswer = fmt.Errorf("it has not answered for %v", patienceWithKeys)

// A caller is one whose key is not known.
type caller struct {
	hint  Hint
	came  int    // number of the last fetch that had started by then
	fetch *fetch // that it waits for; nil at first
}

func (r *Remote) newCaller(hint Hint) caller {
	r.mu.Lock()
	defer r.mu.Unlock()
	return caller{hint: hint, came: r.refresh.started}
}

// lookupFresh waits for a fetch that is under way and, because that one may have
// left before the key was published, for one that left later. Whichever fetch
// brings the key, the wait is over.
func (r *Remote) lookupFresh(ctx context.Context, hint Hint) ([]*Key, error) {
	c := r.newCaller(hint)
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		return r.answer(c)
	}
	for {
		news := r.newsFor(&c) //nolint:contextcheck // a fetch is shared: no caller's context may end it
		if news == nil {
			return r.answer(c)
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
// hang. Otherwise a caller starts a fetch of its own, if the bucket allows; but
// not while there are no keys and retries come quicker than that anyway, and not for
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
	if failing && !ready || !r.refresh.onToken.take(now, r.config.Cooldown) {
		return nil
	}
	return r.start()
}

// newest returns the fetch under way that started last, or nil.
func (r *Remote) newest() *fetch {
	if n := len(r.refresh.flying); n > 0 {
		return r.refresh.flying[n-1]
	}
	return nil
}

// answer returns what is known now. If the issuer cannot be reached and has not
// answered since the caller came, nobody knows whether it has such a key: that is
// ErrUnavailable, so that an outage in the middle of a rotation signs nobody out.
// A token that names no key is refused all the same: no newer set could help it.
func (r *Remote) answer(c caller) ([]*Key, error) {
	keys, err := r.find(c.hint)
	if !isUnknown(err) || r.Ready() && c.hint.name() == (Hint{}) {
		return keys, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if cause := r.unreachable(); cause != nil && r.refresh.succeeded <= c.came {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	return nil, err
}

// unreachable returns why the issuer cannot be reached: because the last fetch
// that ended has failed, or because one has been under way for longer than
// patienceWithKeys. It returns nil when all is well. r.mu must be held.
func (r *Remote) unreachable() error {
	if r.refresh.lastError != nil {
		return r.refresh.lastError
	}
	flying := r.refresh.flying
	if len(flying) > 0 && r.config.Now().Sub(flying[0].sentAt) > patienceWithKeys {
		return errNoAnswer
	}
	return nil
}
