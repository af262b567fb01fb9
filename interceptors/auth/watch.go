package auth

import (
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// streams are the open streams of a Guard.
type streams struct {
	leases   lease.Registry[sessionKey, credential]
	handlers lease.Counter // those that run

	mu                 sync.Mutex
	watchesRevocations bool        // guarded by mu
	watched            atomic.Bool // both watches are in place
}

// watch has the guard notified of what ends open streams. It comes before each
// stream. Where it panics, that stream is refused, and the next one tries again.
func (g *Guard) watch() {
	if g.watched.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watched.Load() {
		return
	}
	g.leases.Now = g.clock
	g.leases.Newer = func(a, b credential) bool { return newer(a.identity, b.identity) }
	if g.Revocations != nil && !g.watchesRevocations {
		g.Revocations.Watch(g.leases.Recheck)
		g.watchesRevocations = true // also if the next panics, so that no stream adds a second watch
	}
	if keys, ok := g.Authenticator.(Watcher); ok {
		keys.Watch(g.leases.Recheck)
	}
	g.watched.Store(true)
}
