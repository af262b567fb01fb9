package main

import (
	"context"
	"fmt"
	"maps"
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
	born := time.Now().Add(-time.Minute)
	for name, stream := range map[string]auth.StreamType{"bare": auth.Unary, "guarded": auth.ServerStream} {
		b.Run(name, func(b *testing.B) {
			take(b, figures{"streams": float64(n)}, func(int) (figures, error) {
				h := newHolder(b, n)
				ctx, cancel := context.WithCancel(b.Context())
				defer h.streams.Wait()
				defer cancel()
				f, err := held(n, "stream", func() error { return repeat(n, func(i int) error { return h.open(ctx, i, born, stream) }) })
				if err != nil || stream == auth.Unary {
					return f, err
				}
				for _, step := range []struct {
					per  string
					work func() error
				}{
					{"call", func() error { return h.callAll(ctx, born) }},
					{"renewal", func() error { return h.callAll(ctx, born.Add(time.Second)) }},
					{"end", h.endAll},
				} {
					some, err := cost(n, step.per, step.work)
					if err != nil {
						return nil, err
					}
					maps.Copy(f, some)
				}
				return f, nil
			})
		})
	}
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
	wait := func(ctx context.Context, _ *auth.Stream) error {
		close(serving)
		<-ctx.Done()
		return context.Cause(ctx) // so that the context is held until then, as a handler's is
	}
	h.streams.Go(func() {
		defer cancel()
		if stream == auth.Unary {
			_ = wait(admitted, nil)
		} else {
			_ = h.guard.Serve(admitted, wait, nil)
		}
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
