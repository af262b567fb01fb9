package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// grace is how long a message that is on its way may take once the lease has
// ended. Only a client that has stopped reading takes longer.
const grace = time.Second

// A PanicError is what Serve panics with when a handler did, since the stack
// that a recovery sees is no longer the handler's.
type PanicError = lease.PanicError

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
	g.handlers.Begin()
	handling, cancel := context.WithCancelCause(ctx)
	newest := s.begin(cancel)
	go lease.Run(func() error {
		if s.catchUp(newest) {
			return handle(handling, s)
		}
		return nil
	}, func(o lease.Outcome) {
		defer g.handlers.End()
		s.outcome = o
		s.release()
		if s.refusal() != nil {
			g.logLatePanic(ctx, s, o.Panic())
		}
	})
	s.over.Wait() // a client that is gone is the handler's affair, while the lease lasts
	refusal := s.refusal()
	if refusal == nil {
		return s.outcome.Deliver()
	}
	if ctx.Err() == nil { // a client that is gone was not refused anything
		_ = g.observe(ctx, &s.admitted.call, s.current.Load(), refusal, time.Time{})
	}
	s.settle(abort)
	return refusal
}

// stream returns the stream that the guard has admitted, and whether it is not
// being served yet.
func (g *Guard) stream(ctx context.Context) (s *Stream, first bool, err error) {
	a := g.admission(ctx)
	if a == nil || a.stream == nil {
		return nil, false, Errorf(AuthFailure, "a stream was to be served that this guard has not admitted")
	}
	s = a.stream
	if !s.served.Swap(true) {
		return s, true, nil
	}
	if s.ended.Load() == released {
		return nil, false, Errorf(AuthFailure, "a stream was to be served that is over")
	}
	err = s.Err()
	return s, false, err
}

// settle waits for the message that is on its way.
func (s *Stream) settle(abort func()) {
	if s.sends.Drained(grace) || abort == nil {
		return
	}
	abort()
	s.sends.Wait()
}

// logLatePanic logs the panic of a handler whose stream had ended. What else such
// a handler does interests nobody.
func (g *Guard) logLatePanic(ctx context.Context, s *Stream, p *PanicError) {
	if p == nil || g.Logger == nil {
		return
	}
	defer func() { _ = recover() }() // of the Logger's: nobody is left here either
	g.Logger.ErrorContext(ctx, "panic in the handler of a stream that had ended",
		"procedure", s.admitted.call.Procedure, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
}

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
