package lease

import (
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// outcomeOf runs f in a goroutine of its own.
func outcomeOf(f func() error) *Outcome {
	done := make(chan Outcome, 1)
	go Run(f, func(o Outcome) { done <- o })
	o := <-done
	return &o
}

func TestAnOutcomeIsDelivered(t *testing.T) {
	t.Parallel()
	failure := errors.New("disk full")
	deliver := func(o *Outcome) (p any, exited bool, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			exited = true
			defer func() {
				if p = recover(); p != nil {
					exited = false
				}
			}()
			err = o.Deliver()
			exited = false
		}()
		<-done
		return p, exited, err
	}
	for _, want := range []error{nil, failure} {
		o := outcomeOf(func() error { return want })
		if p, exited, err := deliver(o); !errors.Is(err, want) || p != nil || exited || o.Panic() != nil {
			t.Errorf("a return of %v became %v, %v, %t", want, err, p, exited)
		}
	}
	if p, exited, _ := deliver(outcomeOf(func() error { runtime.Goexit(); return nil })); p != nil || !exited {
		t.Errorf("an exit became %v, %t", p, exited)
	}
	o := outcomeOf(func() error { panic(http.ErrAbortHandler) })
	if p, _, _ := deliver(o); p != http.ErrAbortHandler || o.Panic() != nil { //nolint:errorlint // as net/http compares it
		t.Errorf("the panic of net/http became %v, and is reported as %v", p, o.Panic())
	}
	o = outcomeOf(func() error { panic(failure) })
	p, _, _ := deliver(o)
	got, ok := p.(*PanicError)
	if !ok || got != o.Panic() || !errors.Is(got, failure) || !strings.Contains(got.Error(), "TestAnOutcomeIsDelivered") {
		t.Errorf("a panic became %v; want one with its value and its stack", p)
	}
	// An error that a function returns is no panic, whatever it is.
	o = outcomeOf(func() error { return &PanicError{Value: "boom"} })
	if o.Panic() != nil {
		t.Errorf("a returned error is reported as a panic: %v", o.Panic())
	}
}
