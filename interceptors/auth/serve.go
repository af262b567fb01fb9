package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
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
// that last longer than a second, Serve calls abort, which gets the sending over
// with, and waits for it. With a nil abort, Serve returns although something is
// still being sent.
//
// A panic of the handler is Serve's as well: as a *PanicError, or as
// http.ErrAbortHandler where it is that.
func (l *Lease) Serve(ctx context.Context, handle func(context.Context) error, abort func()) error {
	if l.begun.Swap(true) {
		return handle(ctx) // somebody further out serves it already
	}
	ctx = l.begin(ctx)
	h := &handler{lease: l}
	h.running.Add(1)
	l.guard.handlers.begin()
	go h.run(ctx, handle)

	<-ctx.Done() // the handler has returned, the lease has ended, or the client is gone
	if l.Err() == nil {
		h.running.Wait() // a client that is gone is the handler's affair
	}
	l.telling.Wait()
	if refusal := l.Err(); refusal != nil {
		l.settle(abort)
		return refusal
	}
	return h.deliver()
}

// settle waits for the message that is on its way.
func (l *Lease) settle(abort func()) {
	if l.door.drained(grace) || abort == nil {
		return
	}
	abort()
	l.door.wait()
}

// A handler is one that runs, and how it has ended.
type handler struct {
	lease   *Lease
	running sync.WaitGroup

	returned bool // or has called runtime.Goexit
	err      error
	panicked any
}

func (h *handler) run(ctx context.Context, handle func(context.Context) error) {
	defer h.lease.guard.handlers.end()
	defer h.lease.release()
	defer h.running.Done()
	defer func() {
		if p := recover(); p != nil {
			h.recovered(ctx, p)
		}
	}()
	h.err = handle(ctx)
	h.returned = true
}

// recovered keeps the panic for Serve. What a handler does after its lease has
// ended interests nobody there, but a panic must not be lost.
func (h *handler) recovered(ctx context.Context, p any) {
	h.panicked = p
	if p == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
		return
	}
	stack := debug.Stack()
	h.panicked = &PanicError{Value: p, Stack: stack}
	if h.lease.Err() != nil {
		slog.ErrorContext(ctx, "panic in the handler of a stream that had ended", //nolint:sloglint // nobody else is left to tell
			"procedure", h.lease.call.Procedure, "panic", fmt.Sprint(p), "stack", string(stack))
	}
}

// deliver ends the calling goroutine as the handler's has.
func (h *handler) deliver() error {
	switch {
	case h.panicked != nil:
		panic(h.panicked)
	case !h.returned:
		runtime.Goexit()
	}
	return h.err
}

// A PanicError is what Serve panics with when a handler did, since the stack
// that a recovery sees is no longer the handler's.
type PanicError struct {
	Value any    // what the handler panicked with
	Stack []byte // where, as debug.Stack writes it
}

// Error returns the value and the stack.
func (p *PanicError) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value where that is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
