package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// grace is how long a message that is on its way may take once the lease has
// ended. Only a client that has stopped reading takes longer.
const grace = time.Second

// Lease returns the lease of an admitted stream, for an adapter to serve it
// under. The context is the one that Admit returned, or derived from it. Any
// other is an *Error: AuthFailure.
func (g *Guard) Lease(ctx context.Context) (*Lease, error) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.lease == nil {
		return nil, Errorf(AuthFailure, "a stream was to be served outside an admitted call")
	}
	return a.lease, nil
}

// Serve runs the handler of the stream, and returns the handler's error; or the
// lease's, which is an *Error, as soon as the lease has ended. The transport
// then closes the stream with it.
//
// The handler runs in a goroutine of its own, since it may be waiting for a
// message when the lease ends. Its context, derived from ctx, is then cancelled
// with the lease's error as the cause. An adapter gives the handler a stream
// that asks Enter before it sends, so that nothing is sent any more when Serve
// has returned, and Err before it receives.
//
// A client that has stopped reading can keep a message from being sent. Should
// that last longer than a moment, Serve calls abort, which gets the sending over
// with, and waits for it; abort may also panic. With a nil abort, Serve returns
// although something is still being sent.
//
// A panic of the handler is Serve's as well: as a *HandlerPanic, or as
// http.ErrAbortHandler where it is that.
func (l *Lease) Serve(ctx context.Context, handle func(context.Context) error, abort func()) error {
	if l.begun.Swap(true) {
		return handle(ctx) // somebody further out serves it already
	}
	ctx = l.begin(ctx)
	defer l.release()

	done := make(chan outcome, 1)
	l.guard.handlers.begin()
	go func() {
		defer l.guard.handlers.end()
		l.run(ctx, handle, done)
	}()

	var out outcome
	select {
	case out = <-done:
	case <-ctx.Done():
		if l.Err() == nil {
			out = <-done // the client is gone, or its time is up: the handler's affair
		}
	}
	if refusal := l.Err(); refusal != nil {
		<-ctx.Done() // by when the Observer was told
		l.settle(abort)
		return refusal
	}
	return out.deliver()
}

// settle waits for the message that is on its way.
func (l *Lease) settle(abort func()) {
	if l.door.drained(grace) || abort == nil {
		return
	}
	abort()
	l.door.wait()
}

// outcome is how a handler has ended. The zero value is one that has called
// runtime.Goexit.
type outcome struct {
	returned bool
	err      error
	panicked any
}

// run hands over the outcome. What a handler does after its lease has ended
// interests nobody, except that a panic must not be lost.
func (l *Lease) run(ctx context.Context, handle func(context.Context) error, done chan<- outcome) {
	var out outcome
	defer func() {
		if p := recover(); p != nil {
			out.panicked = p
			if p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				out.panicked = &HandlerPanic{Value: p, Stack: debug.Stack()}
			}
		}
		if handlerPanic, ok := out.panicked.(*HandlerPanic); ok && l.Err() != nil {
			slog.ErrorContext(ctx, "panic in the handler of a stream that had ended",
				"procedure", l.call.Procedure, "panic", fmt.Sprint(handlerPanic.Value), "stack", string(handlerPanic.Stack))
		}
		done <- out
	}()
	out.err = handle(ctx)
	out.returned = true
}

// deliver ends the calling goroutine as the handler's has.
func (o outcome) deliver() error {
	switch {
	case o.panicked != nil:
		panic(o.panicked)
	case !o.returned:
		runtime.Goexit()
	}
	return o.err
}

// A HandlerPanic is what Serve panics with when a handler did, since the stack
// that a recovery sees is no longer the handler's.
type HandlerPanic struct {
	Value any    // what the handler panicked with
	Stack []byte // where, as debug.Stack writes it
}

// Error returns the value and the stack.
func (p *HandlerPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value where that is an error.
func (p *HandlerPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
