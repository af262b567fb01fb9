package jwks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Remote is the key set of an issuer, fetched over HTTP and kept fresh in the
// background. Make one with NewRemote and share it; it is safe for concurrent
// use.
//
// While it has keys, calls whose key is known are answered from memory. A token
// with an unknown key, as after a rotation, has the set fetched and waits for it:
// two of them at once, and then one per RemoteConfig.Cooldown. Those that come
// within a quarter of a second wait with it, and all others are answered at once.
// Before the first keys everybody waits for them, until a fetch fails. At most
// 4096 callers wait at a time.
//
// A key that is not in the set is ErrUnknownKey while the issuer can be reached,
// and ErrUnavailable while it cannot: from when a fetch fails, or has gone without
// an answer for 1.5 seconds, until one succeeds. A failed fetch is tried again with
// exponential back-off up to 0.8 seconds while there are no usable keys, and 1.5
// seconds while there are.
type Remote struct {
	config  RemoteConfig
	current atomic.Pointer[generation] // nil before the first keys

	// Fetches run under ctx, never under the context of a caller.
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	watchers watchers
	saving   sync.Mutex    // serialises writes of the snapshot
	waiting  chan struct{} // holds one for each caller that waits

	mu      sync.Mutex // guards refresh; never held while waiting or logging
	refresh refresh
}

// NewRemote returns a key set that begins to fetch in the background, and never
// waits for the network itself. It reads the snapshot, if there is one.
//
// The error names everything that is wrong with the configuration, and a snapshot
// that somebody else may have written.
func NewRemote(config RemoteConfig) (*Remote, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Remote{
		config:  config,
		ctx:     ctx,
		cancel:  cancel,
		waiting: make(chan struct{}, maxWaiting),
		refresh: refresh{timer: time.NewTimer(config.MaxRefresh), finished: make(chan struct{})},
	}
	if err := r.loadSnapshot(); err != nil {
		cancel()
		return nil, fmt.Errorf("key set: %w", err)
	}
	r.mu.Lock()
	r.refreshNow()
	r.mu.Unlock()
	r.running.Go(r.keepFresh)
	r.writeNotes()
	return r, nil
}

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

// usable returns the keys, or nil when there are none or they are too old.
func (r *Remote) usable() *generation {
	g := r.current.Load()
	if g == nil || r.config.Now().Sub(g.fetchedAt) >= r.config.MaxStale {
		return nil
	}
	return g
}

// contains reports whether this very key is in use, and not one equal to it.
func (r *Remote) contains(key *Key) bool {
	g := r.usable()
	return g != nil && slices.Contains(g.all, key)
}

// Ready reports whether there are keys to verify with: fetched or from the
// snapshot, and not older than RemoteConfig.MaxStale.
func (r *Remote) Ready() bool { return r.usable() != nil }

// Close ends all fetching and returns when nothing runs any more. The keys that
// are there stay in use until RemoteConfig.MaxStale. It may be called more than
// once, and always returns nil.
func (r *Remote) Close() error {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.running.Wait()
	return nil
}
