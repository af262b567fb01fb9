package auth

import (
	"context"
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
func (l *Lease) Hold(ctx context.Context, handle func(context.Context), cut func(*Error)) error {
	if l.begun.Swap(true) {
		return Errorf(AuthFailure, "a call was to be served twice under one lease")
	}
	l.guard.handlers.begin()
	defer l.guard.handlers.end()
	l.handler.running.Add(1) // ends with the lease, or with cut
	held, cancel := context.WithCancelCause(ctx)
	l.start(func(cause error) {
		cancel(cause)
		if cause == nil {
			l.handler.running.Done()
			return
		}
		go l.cut(ctx, cut, AsError(cause))
	})
	l.hold(held, handle)
	return l.Err()
}

// hold returns, or panics, when the handler is done and nothing is cut any more.
func (l *Lease) hold(ctx context.Context, handle func(context.Context)) {
	defer l.handler.running.Wait()
	defer l.release()
	if l.refusal() == nil {
		handle(ctx)
	}
}

func (l *Lease) cut(ctx context.Context, cut func(*Error), refusal *Error) {
	defer l.handler.running.Done()
	defer func() { _ = recover() }()
	if ctx.Err() == nil { // a client that is gone was not refused anything
		_ = l.guard.observe(ctx, &l.admitted.call, l.current.Load(), refusal, time.Time{})
	}
	cut(refusal)
}

// Check ends a lease whose time has come or whose token was revoked, without
// waiting for whoever watches the clock, and returns what Err does. It is for what
// must not happen a moment too late, such as the first byte of an answer.
func (l *Lease) Check() error {
	if l.ended.Load() == nil {
		if now := l.guard.leases.moment(l.guard.clock()); now >= l.deadline() {
			l.expire(now)
		} else {
			l.checkRevoked()
		}
	}
	return l.Err()
}
