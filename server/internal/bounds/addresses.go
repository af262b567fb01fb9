package bounds

import (
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// maxAddresses is of how many addresses is counted what they do: beyond it one is forgotten, any.
const maxAddresses = 10_000

// addresses count what the callers of each address do together. The zero value has counted
// nothing. It is safe for concurrent use.
type addresses struct {
	mu       sync.Mutex
	limiters map[netip.Prefix]*rate.Limiter
}

// of returns what the callers of a peer's address may do, who have done nothing yet if they are
// new.
func (a *addresses) of(peer string, perSecond rate.Limit, atOnce int) *rate.Limiter {
	from := network(peer)
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter := a.limiters[from]
	if limiter != nil {
		return limiter
	}
	if a.limiters == nil {
		a.limiters = make(map[netip.Prefix]*rate.Limiter)
	}
	for other := range a.limiters {
		if len(a.limiters) < maxAddresses {
			break
		}
		delete(a.limiters, other)
	}
	limiter = rate.NewLimiter(perSecond, atOnce)
	a.limiters[from] = limiter
	return limiter
}

// network returns the network of one caller. It is not valid where the address is no IP.
func network(peer string) netip.Prefix {
	at, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	from, _ := addr.Prefix(bits) // the bits are of that kind of address
	return from
}
