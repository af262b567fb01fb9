package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
)

// BenchmarkLeases reports what a lease costs without a transport: the memory
// of streams, and of as many admitted calls without a lease; and the cost of
// renewing and of ending the streams.
func BenchmarkLeases(b *testing.B) {
	n := size(100_000, 1000)
	constants := figures{"streams": float64(n)}
	born := time.Now().Add(-time.Minute)
	b.Run("bare", func(b *testing.B) {
		take(b, constants, func(int) (figures, error) {
			h := newHolder(b, n)
			ctx, cancel := context.WithCancel(b.Context())
			defer h.streams.Wait()
			defer cancel()
			return held(n, "stream", func() error { return h.openAll(ctx, born, auth.Unary) })
		})
	})
	b.Run("guarded", func(b *testing.B) {
		take(b, constants, func(int) (figures, error) {
			h := newHolder(b, n)
			steps := []func() (figures, error){
				func() (figures, error) {
					return held(n, "stream", func() error { return h.openAll(b.Context(), born, auth.ServerStream) })
				},
				func() (figures, error) {
					return cost(n, "call", func() error { return h.callAll(b.Context(), born) })
				},
				func() (figures, error) {
					return cost(n, "renewal", func() error { return h.callAll(b.Context(), born.Add(time.Second)) })
				},
				func() (figures, error) { return cost(n, "end", h.endAll) },
			}
			all := make(figures)
			for _, step := range steps {
				some, err := step()
				if err != nil {
					return nil, err
				}
				for unit, value := range some {
					all[unit] = value
				}
			}
			return all, nil
		})
	})
}

const heldProcedure = "/ostiary.bench.v1.LeaseService/Hold"

// A holder holds admitted calls open.
type holder struct {
	guard   *auth.Guard
	revoked *revocation.List
	callers []auth.Identity // each with a session of its own
	caller  auth.Identity   // of the current call

	streams sync.WaitGroup
}

func newHolder(b *testing.B, callers int) *holder {
	b.Helper()
	h := &holder{revoked: revocation.New(revocation.Config{}), callers: make([]auth.Identity, callers)}
	for i := range h.callers {
		h.callers[i] = auth.Identity{
			Issuer: issuer.URL, Subject: issuer.Subject(i), Kind: auth.KindSession, SessionID: fmt.Sprintf("sess_2%026d", i),
		}
	}
	rules := newPolicy(b, policy.Override(heldProcedure, &policyv1.Rule{
		Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}},
	}))
	h.guard = &auth.Guard{Authenticator: h, Policy: rules, Revocations: h.revoked}
	return h
}

// Authenticate returns a new identity each time, as a verifier does.
func (h *holder) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	id := h.caller
	return &id, nil
}

func (h *holder) admit(ctx context.Context, caller int, issued time.Time, stream auth.StreamType) (context.Context, error) {
	h.caller = h.callers[caller]
	h.caller.IssuedAt, h.caller.ExpiresAt = issued, issued.Add(time.Hour)
	return h.guard.Admit(ctx, auth.Call{Procedure: heldProcedure, Stream: stream})
}

func (h *holder) callAll(ctx context.Context, issued time.Time) error {
	return repeat(len(h.callers), func(i int) error {
		_, err := h.admit(ctx, i, issued, auth.Unary)
		return err
	})
}

func (h *holder) openAll(ctx context.Context, issued time.Time, stream auth.StreamType) error {
	return repeat(len(h.callers), func(i int) error { return h.open(ctx, i, issued, stream) })
}

// open leaves a call open. Every call has a context that can be cancelled, as
// transports give one.
func (h *holder) open(ctx context.Context, caller int, issued time.Time, stream auth.StreamType) error {
	ctx, cancel := context.WithCancel(ctx)
	admitted, err := h.admit(ctx, caller, issued, stream)
	if err != nil {
		cancel()
		return err
	}
	serving := make(chan struct{})
	wait := func(ctx context.Context) error {
		close(serving)
		<-ctx.Done()
		return context.Cause(ctx) // so that the context is held until then, as a handler's is
	}
	serve := wait
	if stream != auth.Unary {
		serve = func(ctx context.Context) error {
			return h.guard.Serve(ctx, func(ctx context.Context, _ *auth.Stream) error { return wait(ctx) }, nil)
		}
	}
	h.streams.Go(func() {
		defer cancel()
		_ = serve(admitted) // it ends when the benchmark ends it
	})
	<-serving
	return nil
}

// endAll revokes every token of the issuer, and waits for the streams.
func (h *holder) endAll() error {
	err := h.revoked.Add(revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: issuer.URL, Before: time.Now()})
	if err == nil {
		h.streams.Wait()
	}
	return err
}
