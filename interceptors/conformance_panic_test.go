package interceptors_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// fragileRevocations panic when they are asked, or when somebody wants to watch
// them.
type fragileRevocations struct{ watch bool }

func (f fragileRevocations) Revoked(*auth.Identity) error {
	if !f.watch {
		panic("boom")
	}
	return nil
}

func (f fragileRevocations) Watch(func()) func() {
	if f.watch {
		panic("boom")
	}
	return func() {}
}

// A fragileRule panics when it is asked for the terms of a stream.
type fragileRule struct{}

func (fragileRule) Rule(string) auth.Rule      { return fragileRule{} }
func (fragileRule) Check(*auth.Identity) error { return nil }
func (fragileRule) Stream() auth.StreamTerms   { panic("boom") }

// TestAPanicIsOurFailureEverywhere has what the guard asks panic.
func TestAPanicIsOurFailureEverywhere(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		unaryCall := transport.method == unary || transport.method == get
		for name, tt := range map[string]struct {
			spoil       func(*auth.Guard)
			streamsOnly bool
		}{
			"Revocations.Revoked": {func(g *auth.Guard) { g.Revocations = fragileRevocations{} }, false},
			"Revocations.Watch":   {func(g *auth.Guard) { g.Revocations = fragileRevocations{watch: true} }, true},
			"StreamRule.Stream":   {func(g *auth.Guard) { g.Policy = fragileRule{} }, true},
			"Observer": {func(g *auth.Guard) {
				g.Observer = auth.ObserverFunc(func(context.Context, auth.Decision) { panic("boom") })
			}, false},
		} {
			if unaryCall && tt.streamsOnly {
				continue
			}
			t.Run(transport.name+", "+name, func(t *testing.T) {
				t.Parallel()
				k, s := newHeldKit(t), new(service)
				guard := observed(k.guard, nil)
				tt.spoil(guard)
				call := transport.start(t, guard, s)
				got := call(t.Context(), attempt{service: authenticated, header: bearer(k.session), body: hello})
				if !got.refused || got.reason != auth.AuthFailure || s.ran.Load() != 0 {
					t.Errorf("%+v after %d runs of the handler; want %v", got, s.ran.Load(), auth.AuthFailure)
				}
			})
		}
	}
}
