package auth

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// A Stream is an admitted stream that is being served under its lease: it ends when
// its caller's token does, as the rule's StreamTerms say. It is for adapters, which
// get it from Guard.Serve or Guard.Hold, and is safe for concurrent use.
//
// A server has one for each open stream, so all that a stream needs is kept in
// one piece of memory.
type Stream struct {
	admitted admitted // the identity is the one that opened the stream

	current  atomic.Pointer[Identity] // nil where the caller is anonymous
	ended    atomic.Pointer[Error]    // why; nil while it runs, released where nothing was wrong
	sends    lease.Gate
	outcome  lease.Outcome // of the handler
	served   atomic.Bool
	received atomic.Bool // whether a message was

	entry     lease.Entry[sessionKey, credential]
	renewable bool
	oldAge    lease.Instant // when the stream has lived long enough
	expires   atomic.Int64  // the Instant from which the token no longer counts

	over  sync.WaitGroup          // until the lease has ended
	close context.CancelCauseFunc // see begin

	mu      sync.Mutex    // held while renewing
	token   string        // that renewed the stream; empty before, see credential
	renewed chan struct{} // closed when the stream is; nil while nobody watches
}

// released is what a lease has ended with that was just no longer needed.
var released = new(Error)

// newStream returns a stream that is not served yet. Its admitted is for the
// caller to fill.
func newStream(g *Guard, id *Identity, rule Rule) *Stream {
	g.watch()
	terms := termsOf(rule)
	s := &Stream{renewable: terms.Lease == LeaseRenewable && id != nil && isBound(id)}
	s.admitted.stream = s
	s.current.Store(id)
	early := time.Duration(rand.Int64N(int64(terms.MaxLifetime)/20 + 1)) //nolint:gosec // it spreads load and keeps no secret
	s.oldAge = lease.At(g.clock().Add(terms.MaxLifetime - early))
	s.expires.Store(int64(lease.Never))
	if id != nil && terms.Lease != LeaseAtOpen {
		s.expires.Store(int64(expiry(id)))
	}
	return s
}

// expiry returns when the token of the identity no longer counts.
func expiry(id *Identity) lease.Instant {
	if id.ExpiresAt.IsZero() {
		return lease.Never
	}
	return lease.At(id.ExpiresAt.Add(id.Leeway))
}

// begin starts the clock. closing is called once: with the refusal when the lease
// ends, or with nil when it is no longer needed. It returns the token of the session
// that has come since the stream was admitted, if there is one.
func (s *Stream) begin(closing context.CancelCauseFunc) (newest credential) {
	s.close = closing
	s.over.Add(1)
	leases := &s.admitted.guard.leases
	if !s.renewable {
		leases.Join(&s.entry, (*holder)(s))
		return credential{}
	}
	id := s.admitted.identity
	if later, found := leases.JoinSession(&s.entry, (*holder)(s), sessionKeyOf(id), credentialOf(&s.admitted.call, id)); found {
		newest = later
	}
	return newest
}

// catchUp comes before the handler: what has happened since the stream was
// admitted, and before it had begun. It reports whether the lease still runs. It is
// called in the handler's goroutine, since it asks code that may be slow.
func (s *Stream) catchUp(newest credential) bool {
	if newest.identity != nil && s.admitted.guard.stillCounts(newest.identity) == nil {
		s.renew(newest)
	}
	s.recheck()
	return s.refusal() == nil
}

// recheck ends the lease when the token no longer counts that renewed the stream,
// or the one that opened it: a revocation ends the streams that the token opened.
func (s *Stream) recheck() {
	opened, current := s.admitted.identity, s.current.Load()
	refusal := s.admitted.guard.withdrawn(opened)
	if refusal == nil && current != opened {
		refusal = s.admitted.guard.withdrawn(current)
	}
	if refusal != nil {
		s.end(refusal)
	}
}

// end refuses whatever is still to come on the stream. The first reason counts.
func (s *Stream) end(refusal *Error) {
	if s.ended.CompareAndSwap(nil, refusal) {
		s.sends.Close()
		s.finish(refusal)
	}
}

// release lets go of a stream that is over, however it ended.
func (s *Stream) release() {
	if s.ended.CompareAndSwap(nil, released) {
		s.finish(nil)
	}
}

func (s *Stream) finish(cause error) {
	var key sessionKey
	if s.renewable {
		key = sessionKeyOf(s.admitted.identity)
	}
	s.admitted.guard.leases.Leave(&s.entry, key)
	s.close(cause)
	s.over.Done()
}

// Err returns the *Error that the lease has ended with, and nil while it has
// not.
func (s *Stream) Err() error {
	if refusal := s.refusal(); refusal != nil {
		return refusal
	}
	return nil
}

func (s *Stream) refusal() *Error {
	refusal := s.ended.Load()
	if refusal == released {
		return nil
	}
	return refusal
}

// Send calls send, which sends something to the client, unless the lease has
// ended: then it returns the lease's *Error. When Guard.Serve has returned, no send
// is under way and none begins any more.
func (s *Stream) Send(send func() error) error {
	if !s.sends.Enter() {
		return s.Err()
	}
	defer s.sends.Leave()
	return send()
}

// Check ends a lease that has expired or whose token no longer counts, without
// waiting for a timer or a watcher, and returns what Err does. Use it before a step
// that must not come too late, such as the first byte of an answer.
func (s *Stream) Check() error {
	if s.ended.Load() == nil {
		s.look()
	}
	return s.Err()
}

// look asks the clock and then whether the token still counts.
func (s *Stream) look() {
	defer func() {
		if p := recover(); p != nil {
			(*holder)(s).Fail(p)
		}
	}()
	if now := lease.At(s.admitted.guard.clock()); now >= (*holder)(s).Deadline() {
		(*holder)(s).Expire(now)
		return
	}
	s.recheck()
}

// Received is Guard.CheckRequest, about a message that was received on the
// stream. The first may have been held back until the token no longer counted, so
// that is asked again, and so it is at the end (ReceivedError); in between, the news
// of it ends the lease. A refusal ends the lease, whatever the handler makes of it.
func (s *Stream) Received(message any) error {
	if err := s.Err(); err != nil {
		return err
	}
	id := s.current.Load()
	var refusal *Error
	if !s.received.Load() {
		s.received.Store(true)
		refusal = s.first(id)
	}
	if refusal == nil && s.admitted.messages != nil {
		refusal = s.admitted.check(id, message)
	}
	if refusal == nil {
		return nil
	}
	s.end(refusal)
	return refusal
}

// ReceivedError returns the error that was received instead of a message. Where that
// is io.EOF, the client has sent all, and may have held the end back until its token
// no longer counted: then it is the lease's *Error.
func (s *Stream) ReceivedError(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if refusal := s.Check(); refusal != nil {
		return refusal
	}
	return err
}

// first asks whether the token still counts now that the first message is there.
func (s *Stream) first(id *Identity) *Error {
	if s.admitted.call.Stream == ServerStream {
		// The message is the request, and the stream is not open before it is there. So
		// the token must not have expired, whatever the terms of the stream.
		return s.admitted.guard.stillCounts(id)
	}
	s.look()
	return s.refusal()
}

// holder is the Stream as the registry of leases sees it.
type holder Stream

// Deadline implements lease.Holder.
func (h *holder) Deadline() lease.Instant {
	return min(h.oldAge, lease.Instant(h.expires.Load()))
}

// Expire implements lease.Holder.
func (h *holder) Expire(now lease.Instant) {
	refusal := NewError(TokenExpired, nil)
	if now >= h.oldAge {
		refusal.Message = "the stream has reached its longest lifetime; open it again with a fresh token"
	}
	(*Stream)(h).end(refusal)
}

// Fail implements lease.Holder.
func (h *holder) Fail(panicked any) {
	(*Stream)(h).end(Errorf(AuthFailure, "panic in the clock: %v", panicked))
}

// Recheck implements lease.Holder.
func (h *holder) Recheck() { (*Stream)(h).recheck() }
