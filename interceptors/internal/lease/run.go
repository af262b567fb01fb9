package lease

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
)

// An Outcome is how a function has ended: it has returned, has panicked, or has
// ended its goroutine. The zero value is the last.
type Outcome struct {
	err      error // what it has returned, or what to panic with
	returned bool
	panicked bool
}

// Run calls f, and then done with how f has ended, in the same goroutine.
func Run(f func() error, done func(Outcome)) {
	var o Outcome
	defer func() {
		if !o.returned {
			o.recovered(recover())
		}
		done(o)
	}()
	o.err = f()
	o.returned = true
}

func (o *Outcome) recovered(p any) {
	switch p {
	case nil: // runtime.Goexit
	case http.ErrAbortHandler: // as net/http compares it
		o.panicked, o.err = true, http.ErrAbortHandler
	default:
		o.panicked, o.err = true, &PanicError{Value: p, Stack: debug.Stack()}
	}
}

// Panic returns the panic, if that is how the function has ended and it was not
// http.ErrAbortHandler.
func (o *Outcome) Panic() *PanicError {
	p, _ := o.err.(*PanicError) //nolint:errorlint // it is not wrapped
	if !o.panicked {
		return nil
	}
	return p
}

// Deliver ends as the function has ended, in the calling goroutine: it returns the
// error, panics, or exits the goroutine.
func (o *Outcome) Deliver() error {
	switch {
	case o.panicked:
		panic(o.err)
	case !o.returned:
		runtime.Goexit()
	}
	return o.err
}

// A PanicError is the panic of a handler that ran in a goroutine of its own, since
// the stack that a recovery sees is no longer the handler's.
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
