package auth

import (
	"context"
	"errors"
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
	a := g.admission(ctx)
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
	handling := l.begin(ctx)
	if l.refusal() == nil {
		l.guard.handlers.begin()
		l.handler.running.Add(1)
		go l.run(handling, handle)

		<-handling.Done() // the handler has returned, the lease has ended, or the client is gone
		if l.ended.Load() == nil {
			l.wait() // a client that is gone is the handler's affair, while the lease lasts
		}
	}
	refusal := l.refusal()
	if refusal == nil {
		l.handler.running.Wait()
		return l.handler.deliver()
	}
	_ = l.guard.observe(ctx, &l.admitted.call, l.current.Load(), refusal, time.Time{})
	l.settle(abort)
	return refusal
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
	running sync.WaitGroup
	ending  ending
	err     error // what it has returned, or what it panicked with
}

// An ending is how a function can end.
type ending uint8

const (
	exited ending = iota // by runtime.Goexit
	returned
	panicked
)

func (l *Lease) run(ctx context.Context, handle func(context.Context) error) {
	defer l.guard.handlers.end()
	defer l.handler.running.Done()
	defer func() {
		l.release()
		if l.refusal() != nil {
			l.handler.mourn(ctx, l.admitted.call.Procedure)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			l.handler.recovered(p)
		}
	}()
	l.handler.err = handle(ctx)
	l.handler.ending = returned
}

// recovered keeps the panic.
func (h *handler) recovered(p any) {
	h.ending = panicked
	if p == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
		h.err = http.ErrAbortHandler
		return
	}
	h.err = &PanicError{Value: p, Stack: debug.Stack()}
}

// mourn logs the panic of a handler whose stream had ended. What else such a
// handler does interests nobody, but a panic must not be lost.
func (h *handler) mourn(ctx context.Context, procedure string) {
	var p *PanicError
	if h.ending == panicked && errors.As(h.err, &p) {
		slog.ErrorContext(ctx, "panic in the handler of a stream that had ended", //nolint:sloglint // nobody else is left to tell
			"procedure", procedure, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
	}
}

// deliver ends the calling goroutine as the handler's has.
func (h *handler) deliver() error {
	switch h.ending {
	case panicked:
		panic(h.err)
	case exited:
		runtime.Goexit()
	case returned:
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
