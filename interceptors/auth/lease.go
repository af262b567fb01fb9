package auth

import (
	"context"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// A Lease binds an admitted stream to its caller: it ends when the caller's
// token does, as the rule's StreamTerms say, and the stream ends with it. It is
// for adapters, which begin with Serve, and safe for concurrent use.
//
// A server has one for each open stream, so all that a stream needs is kept in
// one piece of memory.
type Lease struct {
	admitted admitted // the identity is the one that opened the stream
	guard    *Guard

	current atomic.Pointer[Identity] // nil where the caller is anonymous
	ended   atomic.Pointer[Error]    // why; nil while it runs, released where nothing was wrong
	door    turnstile                // whoever sends is inside
	handler handler
	begun   atomic.Bool

	renewable bool
	oldAge    moment       // when the stream has lived long enough
	expires   atomic.Int64 // the moment from which the token no longer counts

	mu      sync.Mutex              // of whoever renews, and of what follows
	renewed chan struct{}           // closed when it is; nil while nobody watches
	cancel  context.CancelCauseFunc // ends the handler's context, and so wakes Serve

	place      int    // among the deadlines; theirs to keep
	next, prev *Lease // of the same session; theirs to keep
}

// released is what a lease has ended with that was just no longer needed.
var released = new(Error)

// newLease returns a lease that does not run yet. Its admitted is for the caller
// to fill.
func newLease(g *Guard, id *Identity, rule Rule) *Lease {
	g.leases.init(g)
	terms := termsOf(rule)
	l := &Lease{guard: g, renewable: terms.Lease == Renewable && id != nil && isBound(id)}
	l.admitted.lease = l
	l.current.Store(id)
	early := time.Duration(rand.Int64N(int64(terms.MaxLifetime)/20 + 1)) //nolint:gosec // it spreads load and keeps no secret
	l.oldAge = g.leases.moment(g.clock().Add(terms.MaxLifetime - early))
	l.expires.Store(int64(never))
	if id != nil && terms.Lease != AtOpen {
		l.expires.Store(int64(l.until(id)))
	}
	return l
}

// until returns when the token of the identity no longer counts.
func (l *Lease) until(id *Identity) moment {
	if id.ExpiresAt.IsZero() {
		return never
	}
	return l.guard.leases.moment(id.ExpiresAt.Add(id.Leeway))
}

// deadline is when the lease ends, unless something is done about it.
func (l *Lease) deadline() moment { return min(l.oldAge, moment(l.expires.Load())) }

// begin starts the clock. The context that it returns is cancelled with the
// refusal as its cause when the lease ends.
func (l *Lease) begin(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	l.start(cancel)
	return ctx
}

// start starts the clock. The function is called once, when the lease has ended,
// with the refusal, or when it is no longer needed, with nil.
func (l *Lease) start(ended context.CancelCauseFunc) {
	l.cancel = ended
	l.guard.leases.join(l)
	l.checkRevoked() // what was revoked after it was admitted and before it had joined
}

// expire ends a lease whose deadline has come.
func (l *Lease) expire(now moment) {
	if now >= l.oldAge {
		l.end(&Error{Reason: TokenExpired, Message: "the stream has reached its longest lifetime; open it again with a fresh token"})
		return
	}
	l.end(NewError(TokenExpired, nil))
}

// renew goes over to a newer identity of the same session.
func (l *Lease) renew(id *Identity) {
	if refusal := l.adopt(id); refusal != nil {
		l.end(refusal)
		return
	}
	// Whoever revoked the new token in the meantime has looked at the old one.
	l.checkRevoked()
}

// adopt makes the identity the current one, if that is news and the rule lets it.
func (l *Lease) adopt(id *Identity) *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.current.Load()
	if l.ended.Load() != nil || !newer(id, was) {
		return nil
	}
	if refusal := l.guard.decideAnew(l.admitted.call.Procedure, id); refusal != nil {
		return refusal
	}
	if l.admitted.messages != nil && !sameCaller(id, was) {
		// What was decided on the messages was decided on another caller, and the
		// messages are gone.
		return Errorf(ConditionNotMet, "the caller changed on a stream whose rule depends on its messages")
	}
	l.expires.Store(max(l.expires.Load(), int64(l.until(id))))
	l.current.Store(id)
	if l.renewed != nil {
		close(l.renewed)
		l.renewed = nil
	}
	return nil
}

// sameCaller reports whether two identities of a session differ in nothing but
// what every token has of its own: its id, its times, its text.
func sameCaller(a, b *Identity) bool {
	plain := func(id *Identity) Identity {
		c := *id
		c.TokenID, c.RawClaims, c.FactorAges, c.Key = "", "", nil, nil
		c.IssuedAt, c.NotBefore, c.ExpiresAt, c.AuthTime, c.Leeway = time.Time{}, time.Time{}, time.Time{}, time.Time{}, 0
		return c
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// checkRevoked ends the lease when the token is revoked that renewed the stream,
// or the one that opened it: whoever revokes a token ends what was begun with it.
func (l *Lease) checkRevoked() {
	opened, current := l.admitted.identity, l.current.Load()
	refusal := l.guard.withdrawn(opened)
	if refusal == nil && current != opened {
		refusal = l.guard.withdrawn(current)
	}
	if refusal != nil {
		l.end(refusal)
	}
}

// end refuses whatever is still to come on the stream. The first reason counts.
func (l *Lease) end(refusal *Error) {
	if l.ended.CompareAndSwap(nil, refusal) {
		l.door.close()
		l.finish(refusal)
	}
}

// release lets go of a stream that is over, however it ended.
func (l *Lease) release() {
	if l.ended.CompareAndSwap(nil, released) {
		l.finish(nil)
	}
}

// finish lets go of the lease. Once Serve is woken, nobody knows of it any more.
func (l *Lease) finish(cause error) {
	l.guard.leases.leave(l)
	l.mu.Lock()
	cancel := l.cancel
	l.mu.Unlock()
	cancel(cause)
}

// wait returns when the lease has ended, or is no longer needed. The handler's
// context tells as much, but it ends with the caller's too, and that a caller can
// end at will, by a time-out.
func (l *Lease) wait() {
	over := make(chan struct{})
	l.mu.Lock()
	if l.ended.Load() != nil {
		close(over)
	} else {
		l.cancel = func(error) { close(over) } // the context is past cancelling
	}
	l.mu.Unlock()
	<-over
}

// Err returns the *Error that the lease has ended with, and nil while it has
// not.
func (l *Lease) Err() error {
	if refusal := l.refusal(); refusal != nil {
		return refusal
	}
	return nil
}

func (l *Lease) refusal() *Error {
	refusal := l.ended.Load()
	if refusal == released {
		return nil
	}
	return refusal
}

// Enter is called before a message is sent, and returns an *Error once the lease
// has ended. Where it returns nil, Leave is called when the message was sent.
func (l *Lease) Enter() error {
	if l.door.enter() {
		return nil
	}
	return l.Err()
}

// Leave follows an Enter that returned nil.
func (l *Lease) Leave() { l.door.leave() }

// CheckMessage is Guard.CheckRequest, about a message that was received on the
// stream: the lease may have ended while it was waited for. The only message of a
// server stream is its request, so the token is asked about again, whatever the
// terms of the stream. A refusal ends the lease, whatever the handler makes of it.
func (l *Lease) CheckMessage(message any) error {
	if err := l.Err(); err != nil {
		return err
	}
	id := l.current.Load()
	var refusal *Error
	if l.admitted.call.Stream == ServerStream {
		refusal = l.guard.stillCounts(id)
	} else {
		refusal = l.guard.withdrawn(id) // the news of it may be on its way
	}
	if refusal == nil && l.admitted.messages != nil {
		refusal = l.admitted.check(id, message)
	}
	if refusal == nil {
		return nil
	}
	l.end(refusal)
	return refusal
}

// watch returns the identity that counts now, and a channel that is closed when
// another does.
func (l *Lease) watch() (*Identity, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed == nil {
		l.renewed = make(chan struct{})
	}
	return l.current.Load(), l.renewed
}
