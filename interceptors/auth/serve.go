package auth

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// grace is how long a message that is on its way may take once the lease has
// ended. Only a client that has stopped reading takes longer.
const grace = time.Second

// A PanicError is what Serve panics with when a handler did, since the stack
// that a recovery sees is no longer the handler's.
type PanicError = lease.PanicError

// streams are the open streams of a Guard.
type streams struct {
	leases   lease.Registry[sessionKey, *Stream, credential]
	handlers lease.Counter // those that run
	places   lease.Places[subject]

	mu      sync.Mutex
	stops   []func()    // guarded by mu: they end the watch of the revocations, and then that of the keys
	watched atomic.Bool // both watches are in place
}

// watch has the guard notified of what ends open streams. It comes before the first
// stream. Where it panics, that stream is refused, and the next one tries again.
func (g *Guard) watch() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watched.Load() {
		return
	}
	if g.leases.Newer == nil {
		g.leases.Newer = func(a, b credential) bool { return newer(a.identity, b.identity) }
		g.leases.Visit = (*Stream).recheck
		g.leases.Close = (*Stream).closeEnded
	}
	if g.Revocations != nil && len(g.stops) == 0 { // there is one if the next has panicked
		g.stops = append(g.stops, g.Revocations.Watch(g.leases.Sweep))
	}
	if keys, ok := g.Authenticator.(Watcher); ok {
		g.stops = append(g.stops, keys.Watch(g.leases.Sweep))
	}
	g.watched.Store(true)
}

// unwatch ends what watch has begun, until another stream comes.
func (g *Guard) unwatch() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, stop := range g.stops {
		stop()
	}
	g.stops = nil
	g.watched.Store(false)
}

// Serve runs the handler of an admitted stream under its lease, and returns the
// handler's error; or the lease's, which is an *Error, as soon as the lease has
// ended. The transport then closes the stream with it. The context is the one that
// Admit returned, or derived from it; a stream that this guard has not admitted is
// refused with AuthFailure.
//
// The handler runs in a goroutine of its own, since it may be waiting for a
// message when the lease ends. Its context, derived from ctx, is then cancelled
// with the lease's error as the cause. An adapter gives the handler a stream that
// sends by Stream.Send, so that nothing is sent any more when Serve has returned,
// that asks Stream.Err before it receives, and shows Stream.Received what came.
//
// A client that has stopped reading can keep a message from being sent. Should
// that last longer than a second, Serve calls abort, which ends the sending, and
// waits for it. With a nil abort, Serve returns although something is still being
// sent.
//
// A panic of the handler is Serve's as well: as a *PanicError, or as
// http.ErrAbortHandler where it is that.
//
// Within the handler, Serve of the same call runs its own handler under the same
// lease. When the lease is over, it is refused with AuthFailure.
func (g *Guard) Serve(ctx context.Context, handle func(context.Context, *Stream) error, abort func()) error {
	s, first, err := g.stream(ctx)
	if err != nil {
		return err
	}
	if !first {
		return handle(ctx, s)
	}
	g.handlers.Add(1)
	handling, cancel := context.WithCancelCause(ctx)
	newest := s.begin(cancel)
	go lease.Run(func() error {
		if s.catchUp(newest) { //nolint:contextcheck // it has the stream's
			return handle(handling, s)
		}
		return nil
	}, func(o lease.Outcome) {
		defer g.handlers.Add(-1)
		s.outcome = o
		s.end(nil)
		if s.Err() != nil {
			g.logLatePanic(ctx, s, o.Panic())
		}
	})
	// The stream ends with its lease or its handler, and not with ctx: a client can cancel
	// that while its connection stays.
	s.over.Wait()
	err = s.Err()
	if err == nil {
		return s.outcome.Deliver()
	}
	s.observeEnd(ctx)
	s.awaitSends(abort)
	return err
}

// observeEnd shows the Observer why the lease has ended, unless its client is gone, which
// was not refused anything.
func (s *Stream) observeEnd(ctx context.Context) {
	if ctx.Err() == nil {
		_ = s.admitted.guard.show(ctx, &s.admitted.call, Decision{Identity: s.identity(), Refusal: AsError(s.Err()), Ended: true})
	}
}

// stream returns the stream that the guard has admitted, and whether it is not
// being served yet.
func (g *Guard) stream(ctx context.Context) (s *Stream, first bool, err error) {
	a := g.admission(ctx)
	if a == nil || a.stream == nil {
		return nil, false, Errorf(AuthFailure, "a stream was to be served that this guard has not admitted")
	}
	s = a.stream
	s.mu.Lock()
	first, s.served = !s.served, true
	over := s.ended && s.refusal == nil
	s.mu.Unlock()
	if over {
		return nil, false, Errorf(AuthFailure, "a stream was to be served that is over")
	}
	if !first {
		err = s.Err()
		return s, false, err
	}
	if refusal := g.takePlace(s); refusal != nil {
		_ = g.show(ctx, &a.call, Decision{Identity: s.current, Refusal: refusal})
		return nil, false, refusal
	}
	return s, true, nil
}

// awaitSends waits, when the lease has ended, for the message that is on its way.
func (s *Stream) awaitSends(abort func()) {
	s.mu.Lock()
	if s.sending == 0 {
		s.mu.Unlock()
		return
	}
	sent := make(chan struct{})
	s.sent = sent
	s.mu.Unlock()
	select {
	case <-sent:
	case <-time.After(grace):
		if abort != nil {
			abort()
			<-sent
		}
	}
}

// logLatePanic logs the panic of a handler whose stream had ended. What else such
// a handler does interests nobody.
func (g *Guard) logLatePanic(ctx context.Context, s *Stream, p *PanicError) {
	if p == nil {
		return
	}
	defer func() { _ = recover() }() // of the Logger's: nobody is left here either
	g.log().ErrorContext(ctx, "panic in the handler of a stream that had ended",
		"procedure", s.admitted.call.Procedure, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
}

// OpenStreams returns how many streams, and calls of net/http, are being served under a
// lease now.
func (g *Guard) OpenStreams() int { return g.leases.Len() }

// Drain waits until the handlers of all streams have returned, also of those
// that have ended for their client already because their lease did. No server
// knows of these, so call it when the server has stopped, and before what the
// handlers use is closed. It returns the context's error when that ends first.
func (g *Guard) Drain(ctx context.Context) error {
	select {
	case <-g.handlers.None():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hold serves a call whose handler has to run in the calling goroutine, as a
// handler of net/http does: what the server does with the connection next must
// not happen while the handler still runs. Otherwise it is as Serve.
//
// It calls handle with a context that is cancelled when the lease ends, with the
// lease's *Error as the cause. It then also calls cut, in a goroutine of its own
// while handle may still be running, and cut ends the call for the client. Hold
// returns when both have returned: the lease's *Error, or nil where the lease
// has not ended. Where the lease ends before it begins, handle is not called.
//
// A panic of handle propagates. One of cut is discarded: once handle has returned, the
// adapter finishes what cut left undone.
func (g *Guard) Hold(ctx context.Context, handle func(context.Context, *Stream), cut func(*Error)) error {
	s, first, err := g.stream(ctx)
	if err != nil {
		return err
	}
	if !first {
		return Errorf(AuthFailure, "a call was to be served twice under one lease")
	}
	g.handlers.Add(1)
	defer g.handlers.Add(-1)
	s.hold(ctx, handle, cut)
	return s.Err()
}

// hold returns, or panics, when the handler is done and nothing is cut any more.
func (s *Stream) hold(ctx context.Context, handle func(context.Context, *Stream), cut func(*Error)) {
	handling, cancel := context.WithCancelCause(ctx)
	var cutting sync.WaitGroup
	cutting.Add(1)
	newest := s.begin(func(cause error) {
		cancel(cause)
		if cause == nil {
			cutting.Done()
			return
		}
		go func() {
			defer cutting.Done()
			defer func() { _ = recover() }()
			s.observeEnd(ctx)
			cut(AsError(cause))
		}()
	})
	defer cutting.Wait()
	defer s.end(nil)
	if s.catchUp(newest) { //nolint:contextcheck // it has the stream's
		handle(handling, s)
	}
}
