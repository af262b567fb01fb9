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
// for adapters, which serve the stream under it, and safe for concurrent use.
type Lease struct {
	guard *Guard
	ctx   context.Context // of the call, for the Observer
	call  Call
	rule  Rule
	terms StreamTerms

	messages *messageCheck // nil where the rule asks nothing of messages

	begun   atomic.Bool
	current atomic.Pointer[Identity] // nil where the caller is anonymous
	door    turnstile                // whoever sends is inside
	telling sync.WaitGroup           // the Observer of the end; Serve waits for it

	mu      sync.Mutex // what follows
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	expires time.Time // when the token no longer counts; zero where that does not matter
	over    time.Time // when the stream has lived long enough
	renewed chan struct{}
	joined  bool
	done    bool   // the lease has ended, or is no longer needed
	refusal *Error // why it has ended

	place int // among its session's leases; theirs to keep
}

func newLease(g *Guard, call Call, id *Identity, rule Rule, messages *messageCheck) *Lease {
	l := &Lease{guard: g, call: call, rule: rule, terms: termsOf(rule), messages: messages}
	l.current.Store(id)
	return l
}

// begin starts the clock. The context that it returns is cancelled with the
// refusal as its cause when the lease ends.
func (l *Lease) begin(ctx context.Context) context.Context {
	l.ctx = ctx
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.start()
	if l.joined {
		l.checkRevoked() // what was revoked after it was admitted and before it had joined
	}
	return ctx
}

func (l *Lease) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.guard.clock()
	early := rand.Int64N(int64(l.terms.MaxLifetime)/20 + 1) //nolint:gosec // it spreads load and keeps no secret
	l.over = now.Add(l.terms.MaxLifetime - time.Duration(early))
	if id := l.current.Load(); id != nil && l.terms.Lease != AtOpen {
		l.expires = id.acceptedUntil()
		l.joined = true
		l.guard.leases.join(l, id)
	}
	l.timer = time.AfterFunc(l.deadline().Sub(now), l.tick)
}

func (l *Lease) deadline() time.Time {
	if l.expires.IsZero() || l.over.Before(l.expires) {
		return l.over
	}
	return l.expires
}

// tick is called when the deadline was to come, as it was when the timer was
// set. A renewal leaves the timer alone.
func (l *Lease) tick() {
	l.mu.Lock()
	if l.done {
		l.mu.Unlock()
		return
	}
	now := l.guard.clock()
	if left := l.deadline().Sub(now); left > 0 {
		l.timer.Reset(left)
		l.mu.Unlock()
		return
	}
	tooOld := !now.Before(l.over)
	l.mu.Unlock()
	if tooOld {
		l.end(&Error{Reason: TokenExpired, Message: "the stream has reached its longest lifetime; open it again with a fresh token"})
		return
	}
	l.end(NewError(TokenExpired, nil))
}

// renew goes over to a newer identity of the same session.
func (l *Lease) renew(id *Identity) {
	l.mu.Lock()
	if l.done || l.terms.Lease != Renewable || !newer(id, l.current.Load()) {
		l.mu.Unlock()
		return
	}
	refusal := checkRule(l.rule, id)
	if refusal == nil && l.messages != nil && !sameCaller(id, l.current.Load()) {
		// What was decided on the messages was decided on another caller, and the
		// messages are gone.
		refusal = Errorf(ConditionNotMet, "the caller changed on a stream whose rule depends on its messages")
	}
	if refusal == nil {
		if until := id.acceptedUntil(); until.After(l.expires) {
			l.expires = until
		}
		l.current.Store(id)
		if l.renewed != nil {
			close(l.renewed)
			l.renewed = nil
		}
	}
	l.mu.Unlock()
	if refusal != nil {
		l.end(refusal)
		return
	}
	// Whoever revoked the new token in the meantime has looked at the old one.
	l.checkRevoked()
}

// sameCaller reports whether two identities of a session differ in nothing but
// what every token has of its own: its id, its times, its text.
func sameCaller(a, b *Identity) bool {
	if a == nil || b == nil {
		return a == b
	}
	plain := func(id *Identity) Identity {
		c := *id
		c.TokenID, c.RawClaims, c.FactorAges = "", "", nil
		c.IssuedAt, c.NotBefore, c.ExpiresAt, c.Leeway = time.Time{}, time.Time{}, time.Time{}, 0
		return c
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

func (l *Lease) checkRevoked() {
	if refusal := l.guard.revoked(l.current.Load()); refusal != nil {
		l.end(refusal)
	}
}

// end refuses whatever is still to come on the stream. The first reason counts.
func (l *Lease) end(refusal *Error) {
	if !l.finish(refusal) {
		return
	}
	defer l.telling.Done()
	l.door.close()
	l.guard.observe(l.ctx, l.call, l.current.Load(), refusal, l.guard.now())
	l.cancel(refusal)
}

// release lets go of a stream that is over, however it ended.
func (l *Lease) release() {
	if l.finish(nil) {
		l.cancel(nil)
	}
}

// finish reports whether the lease was still running.
func (l *Lease) finish(refusal *Error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return false
	}
	l.done, l.refusal = true, refusal
	if refusal != nil {
		l.telling.Add(1)
	}
	l.timer.Stop()
	if l.joined {
		l.guard.leases.leave(l)
	}
	return true
}

// Err returns the *Error that the lease has ended with, and nil while it has
// not.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal == nil {
		return nil
	}
	return l.refusal
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

// CheckMessage is Guard.CheckMessage, about a message that was received on the
// stream. A refusal ends the lease, whatever the handler makes of it.
func (l *Lease) CheckMessage(message any) error {
	if l.messages == nil {
		return nil
	}
	refusal := AsError(l.messages.check(l.current.Load(), message))
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

// newer reports whether a was issued after b; of two that were issued in the
// same second, that which lives longer is the newer one.
func newer(a, b *Identity) bool {
	if a.IssuedAt.Equal(b.IssuedAt) {
		return a.ExpiresAt.After(b.ExpiresAt)
	}
	return a.IssuedAt.After(b.IssuedAt)
}
