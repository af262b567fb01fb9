package bounds

import (
	"context"
	"sync/atomic"
	"time"
)

// The callers of an address, or of an IPv6 network of 64 bits, whom nobody knows are together
// refused this often without delay. A page whose user was signed out is refused a few times.
const (
	refusalsAtOnce    = 500
	refusalsPerSecond = 100
)

// refusalDelay is what the next ones wait for. A caller has a bounded number of calls open, so
// it is refused no more often than that many times in it.
const refusalDelay = time.Second

// Refusals delays the refusals of strangers who are refused without pause, such as those who
// send forged tokens: to check their signatures would take all of the processors from others.
// Nobody is refused who otherwise would not be. The zero value delays none. Set the fields
// before use; it is then safe for concurrent use.
type Refusals struct {
	// Exempt reports whether a peer may be refused without pause, such as a proxy, through
	// which many callers come. nil is for none.
	Exempt func(peer string) bool
	// MaxWaiting is how many refusals are delayed at once, since each keeps its call in memory.
	// What comes meanwhile is refused at once.
	MaxWaiting int

	addresses addresses
	waiting   atomic.Int64
	delayed   atomic.Int64
}

// Wait is called before a stranger is refused. It returns when that may be, or when the
// caller has gone.
func (r *Refusals) Wait(ctx context.Context, peer string) {
	if r.Exempt != nil && r.Exempt(peer) || r.addresses.of(peer, refusalsPerSecond, refusalsAtOnce).Allow() {
		return
	}
	defer r.waiting.Add(-1)
	if r.waiting.Add(1) > int64(r.MaxWaiting) {
		return
	}
	r.delayed.Add(1)
	timer := time.NewTimer(refusalDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// DelayedTotal returns how many refusals were delayed.
func (r *Refusals) DelayedTotal() int64 { return r.delayed.Load() }
