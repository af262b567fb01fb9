package auth

import (
	"context"
	"sync"
	"time"
)

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
// A panic of handle goes on as it is. One of cut is swallowed, as what cut did
// not do is done when handle has returned.
func (g *Guard) Hold(ctx context.Context, handle func(context.Context, *Stream), cut func(*Error)) error {
	s, first, err := g.stream(ctx)
	if err != nil {
		return err
	}
	if !first {
		return Errorf(AuthFailure, "a call was to be served twice under one lease")
	}
	g.handlers.Begin()
	defer g.handlers.End()
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
			refusal := AsError(cause)
			if ctx.Err() == nil { // a client that is gone was not refused anything
				_ = s.admitted.guard.observe(ctx, &s.admitted.call, s.current.Load(), refusal, time.Time{})
			}
			cut(refusal)
		}()
	})
	defer cutting.Wait()
	defer s.release()
	if s.catchUp(newest) {
		handle(handling, s)
	}
}
