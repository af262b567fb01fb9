package jwks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
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
// Before the first keys everybody waits for them, until a fetch fails; from then on
// fetches for a token are as rare as those for an unknown key. At most
// 4096 callers wait at a time.
//
// A key that is not in the set is ErrUnknownKey while the issuer can be reached,
// and ErrUnavailable while it cannot: from when a fetch fails, or has gone without
// an answer for 1.5 seconds, until one succeeds. A failed fetch is tried again with
// exponential back-off up to 0.8 seconds while there are no usable keys, and 1.5
// seconds while there are; and from then on after a tenth of the time for which fetches
// have failed, up to 30 seconds. Tokens with an unknown key cause fetches meanwhile, too.
type Remote struct {
	config  RemoteConfig
	current atomic.Pointer[generation] // nil before the first keys
	ahead   atomic.Int64               // see ClockAhead

	// Fetches run under ctx, never under the context of a caller.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	saving  sync.Mutex    // serialises writes of the snapshot
	waiting chan struct{} // holds one for each caller that waits

	mu       sync.Mutex // guards what follows; never held while waiting, logging or calling a watcher
	refresh  refresh
	watchers map[*func()]struct{}
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
		config:   config,
		ctx:      ctx,
		cancel:   cancel,
		waiting:  make(chan struct{}, maxWaiting),
		refresh:  refresh{timer: time.NewTimer(config.MaxRefresh), finished: make(chan struct{})},
		watchers: map[*func()]struct{}{},
	}
	if err := r.loadSnapshot(); err != nil {
		cancel()
		return nil, fmt.Errorf("key set: %w", err)
	}
	r.mu.Lock()
	r.refreshNow()
	r.mu.Unlock()
	r.running.Go(r.keepFresh)
	r.writeLog()
	return r, nil
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

// Watch implements Watcher. A fetch that changed the keys calls changed once,
// after Lookup and Key.Live know of the change. The call must be quick, because
// the other watchers wait for it. One may still be under way when stop returns;
// calling stop again does nothing.
//
// Keys that merely grow older than RemoteConfig.MaxStale do not count as a change.
func (r *Remote) Watch(changed func()) (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers[&changed] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, &changed)
	}
}

// notifyWatchers calls them without the lock, so that they may watch and stop.
func (r *Remote) notifyWatchers() {
	r.mu.Lock()
	calls := slices.Collect(maps.Keys(r.watchers))
	r.mu.Unlock()
	for _, changed := range calls {
		(*changed)()
	}
}

// A generation is the outcome of one successful fetch. It is immutable.
type generation struct {
	keyring
	document  document
	fetchedAt time.Time
	changed   bool // its keys are not those of the generation before
}

// publish makes the keys of a document the current ones. r.mu must be held, unless r
// is not shared yet.
//
// A key that is current already stays the same Key, so that cached verdicts remain
// valid. Every other key becomes a new Key, even if an equal one was there before:
// a Key that has left its set never comes back to life.
func (r *Remote) publish(d document, fetchedAt time.Time) *generation {
	var before generation
	if g := r.current.Load(); g != nil {
		before = *g
	}
	keys := make([]*Key, len(d.keys))
	kept := 0
	for i, key := range d.keys {
		if j := slices.IndexFunc(before.all, key.same); j >= 0 {
			keys[i] = before.all[j]
			kept++
			continue
		}
		fresh := *key
		fresh.set = r
		keys[i] = &fresh
	}
	// Round takes the monotonic reading off, which stands still while a machine
	// sleeps; its keys grow old all the same.
	g := &generation{keyring: newKeyring(keys), document: d, fetchedAt: fetchedAt.Round(0)}
	g.changed = kept < len(keys) || kept < len(before.all)
	r.current.Store(g)
	if g.changed || !slices.Equal(d.skipped, before.document.skipped) {
		r.queueLog(slog.LevelInfo, "the key set changed", "keys", g.ids(), "skipped", d.skipped)
	}
	return g
}

func (k keyring) ids() []string {
	ids := make([]string, len(k.all))
	for i, key := range k.all {
		ids[i] = key.id
	}
	return ids
}
