package jwks

import (
	"maps"
	"slices"
	"sync"
)

// Watch implements Watcher. A fetch that changed the keys calls changed once,
// after Lookup and Key.Live know of the change. The call must be quick, because
// the other watchers wait for it. One may still be under way when stop returns;
// calling stop again does nothing.
//
// Keys that merely grow older than RemoteConfig.MaxStale do not count as a change.
func (r *Remote) Watch(changed func()) (stop func()) { return r.watchers.add(changed) }

// watchers are the functions to call when the keys change. The zero value is
// ready for use, by several goroutines.
type watchers struct {
	mu    sync.Mutex
	calls map[*func()]struct{}
}

func (w *watchers) add(call func()) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[*func()]struct{}{}
	}
	w.calls[&call] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.calls, &call)
	}
}

// notify calls them without the lock, so that they may watch and stop themselves.
func (w *watchers) notify() {
	w.mu.Lock()
	calls := slices.Collect(maps.Keys(w.calls))
	w.mu.Unlock()
	for _, call := range calls {
		(*call)()
	}
}
