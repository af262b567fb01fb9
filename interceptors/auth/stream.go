package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
	"github.com/ostiary/ostiary/internal/logtext"
)

// A Stream is an admitted stream that is being served under its lease: it ends when
// its caller's token does, as the rule's StreamTerms say. It is for adapters, which
// get it from Guard.Serve or Guard.Hold, and is safe for concurrent use.
type Stream struct {
	admitted  admitted  // the identity is the one that opened the stream
	renewable bool      // by the rule
	endsBy    time.Time // the latest end, by MaxLifetime

	close   context.CancelCauseFunc // called once, by closeEnded: with the refusal, or nil
	closed  sync.Once               // by closeEnded
	timer   *time.Timer             // rechecks
	over    sync.WaitGroup          // done once it was closed
	outcome lease.Outcome           // of the handler

	mu       sync.Mutex // guards what follows
	served   bool
	received bool // whether a message was
	ended    bool
	refusal  *Error        // why it has ended; nil where it was just no longer needed
	afterEnd func()        // nil, or what is called then
	current  *Identity     // nil where the caller is anonymous
	user     any           // of current, where that has renewed the stream
	expires  time.Time     // when the token no longer counts; zero is never
	sending  int           // how many messages are on their way
	sent     chan struct{} // closed when none is; nil while nobody waits
	token    string        // that renewed the stream; empty before, see credential
	renewed  chan struct{}
}

// recheckInterval is how long a stream goes unchecked at most: timers do not notice when
// the clock is set or the machine was suspended, and nobody is notified of a list of
// revocations that has grown too old.
const recheckInterval = time.Minute

// newStream returns a stream that is not served yet. Its admitted is for the
// caller to fill.
func newStream(g *Guard, id *Identity, rule Rule) *Stream {
	if !g.watched.Load() {
		g.watch()
	}
	var terms StreamTerms
	if rule, ok := rule.(StreamRule); ok {
		terms = rule.Stream()
	}
	if terms.MaxLifetime <= 0 {
		terms.MaxLifetime = DefaultMaxLifetime
	}
	s := &Stream{current: id, renewable: terms.Lease == LeaseRenewable && id != nil}
	s.admitted.stream = s
	early := time.Duration(rand.Int64N(int64(terms.MaxLifetime)/20 + 1)) //nolint:gosec // it spreads load and keeps no secret
	s.endsBy = g.clock().Add(terms.MaxLifetime - early)
	if id != nil && terms.Lease != LeaseAtOpen {
		s.expires = expiry(id)
	}
	return s
}

// expiry returns when the token of the identity no longer counts; zero is never.
func expiry(id *Identity) time.Time {
	if id.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return id.ExpiresAt.Add(id.Leeway)
}

// sessionKey is the zero value where nothing renews the stream.
func (s *Stream) sessionKey() sessionKey {
	if !s.renewable {
		return sessionKey{}
	}
	return sessionKeyOf(s.admitted.identity)
}

// begin starts the clock. closing is called once: with the refusal when the lease
// ends, or with nil when it is no longer needed. It returns the token of the session
// that has come since the stream was admitted, if there is one.
func (s *Stream) begin(closing context.CancelCauseFunc) (newest credential) {
	s.close = closing
	s.over.Add(1)
	s.timer = time.AfterFunc(math.MaxInt64, func() {
		s.recheck()
		s.arm()
	})
	newest = s.admitted.guard.leases.Join(s, s.sessionKey(), credentialOf(&s.admitted.call, s.admitted.identity))
	s.arm()
	return newest
}

// arm sets the timer to when the time of the lease will have come, or earlier.
func (s *Stream) arm() {
	left, refusal := s.remaining()
	if refusal != nil {
		s.end(refusal)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.timer.Reset(min(left, recheckInterval))
	}
}

// catchUp comes before the handler: what has happened since the stream was
// admitted, and before it had begun. It reports whether the lease still runs. It is
// called in the handler's goroutine, since it asks code that may be slow.
func (s *Stream) catchUp(newest credential) bool {
	if newest.identity != nil && s.admitted.guard.stillCounts(newest.identity, true) == nil {
		s.renew(newest)
	}
	s.recheck()
	return s.Err() == nil
}

// recheck ends the lease when its time has come, or a token no longer counts: the one
// that renewed the stream last, or the one that opened it, since a revocation ends
// the streams that the token opened.
func (s *Stream) recheck() {
	if s.hasEnded() {
		return // and waits to be closed, maybe behind thousands
	}
	_, refusal := s.remaining()
	if refusal == nil {
		refusal = s.admitted.guard.stillCounts(s.admitted.identity, false)
	}
	if current := s.identity(); refusal == nil && current != s.admitted.identity {
		refusal = s.admitted.guard.stillCounts(current, false)
	}
	if refusal != nil {
		s.end(refusal)
	}
}

// remaining returns how long the lease still runs, or the refusal where its time has come.
func (s *Stream) remaining() (left time.Duration, refusal *Error) {
	defer recoverAs(&refusal, "reading the clock")
	now := s.admitted.guard.clock()
	if left = s.endsBy.Sub(now); left <= 0 {
		return 0, &Error{
			Reason: TokenExpired, Message: "the stream has reached its longest lifetime; open it again with a fresh token",
			Cause: fmt.Errorf("the stream could be open until %s, by its rule; now %s", logtext.Time(s.endsBy), logtext.Time(now)),
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.expires.IsZero() {
		left = min(left, s.expires.Sub(now))
	}
	if left <= 0 {
		return 0, Errorf(TokenExpired, "the token of the stream counted until %s, with its leeway, and no newer one came; now %s", logtext.Time(s.expires), logtext.Time(now))
	}
	return left, nil
}

// end refuses at once whatever is still to come on the stream, and has it closed in its turn.
// With nil the stream is over, however it ended, and is closed at once. What it is first called
// with counts.
func (s *Stream) end(refusal *Error) {
	first := s.refuse(refusal)
	switch {
	case refusal == nil:
		s.closeEnded()
	case first:
		s.admitted.guard.leases.End(s)
	}
}

// refuse is end without closing. It reports whether it is the first.
func (s *Stream) refuse(refusal *Error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended, s.refusal = true, refusal
	s.timer.Stop()
	if refusal != nil && s.afterEnd != nil {
		go s.afterEnd()
	}
	return true
}

// AfterEnd has f called, in a goroutine of its own, as soon as the lease has ended with a
// refusal, and before the stream is closed in its turn. It is for what Send and Received do not
// guard, such as a connection that a handler has taken over. There is one f at most.
func (s *Stream) AfterEnd(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterEnd = f
	if s.refusal != nil {
		go f()
	}
}

// closeEnded closes a stream that has ended, unless it is closed. It reports whether it has.
func (s *Stream) closeEnded() (closed bool) {
	s.closed.Do(func() {
		closed = true
		s.admitted.guard.leases.Leave(s, s.sessionKey())
		s.admitted.guard.places.Leave(s.subject())
		s.close(s.Err())
		s.over.Done()
	})
	return closed
}

// errToHandler returns what Err does, and closes a stream that has ended before, so that the
// handler, which gets the error, finds its context cancelled.
func (s *Stream) errToHandler() error {
	err := s.Err()
	if err != nil {
		s.closeEnded()
	}
	return err
}

// Err returns the *Error that the lease has ended with, and nil while it has
// not.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal == nil {
		return nil
	}
	return s.refusal
}

func (s *Stream) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// identity returns the identity that counts now.
func (s *Stream) identity() *Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Send calls send, which sends something to the client, unless the lease has
// ended: then it returns the lease's *Error. When Guard.Serve has returned, no send
// is under way and none begins any more.
func (s *Stream) Send(send func() error) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return s.errToHandler()
	}
	s.sending++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sending--
		if s.sending == 0 && s.sent != nil {
			close(s.sent)
			s.sent = nil
		}
	}()
	return send()
}

// Check ends a lease that has expired or whose token no longer counts, without
// waiting for a timer or a watcher, and returns what Err does. Use it before a step
// that must not come too late, such as the first byte of an answer.
func (s *Stream) Check() error {
	if s.Err() == nil {
		s.recheck()
	}
	return s.errToHandler()
}

// Received is Guard.CheckRequest, about a message that was received on the
// stream. The first may have been held back until the token no longer counted, so
// that is asked again, and so it is at the end (ReceivedError); in between, the news
// of it ends the lease. A refusal ends the lease, whatever the handler makes of it.
func (s *Stream) Received(message any) error {
	s.mu.Lock()
	id, first := s.current, !s.received
	s.received = true
	s.mu.Unlock()
	var refusal *Error
	switch {
	case first && s.admitted.call.Stream == ServerStream:
		// The message is the request, and the stream is not open before it is there. So
		// the token must not have expired, whatever the terms of the stream.
		refusal = s.admitted.guard.stillCounts(id, true)
	case first:
		s.recheck()
	}
	if err := s.errToHandler(); err != nil {
		return err
	}
	if refusal == nil && s.admitted.messages != nil {
		refusal = s.admitted.check(id, message)
	}
	if refusal == nil {
		return nil
	}
	s.refuse(refusal)
	s.closeEnded()
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
