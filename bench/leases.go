package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
)

// leases measures what it costs to hold a stream, to renew it and to end it,
// without a transport. There is one sample, of a great many streams.
func leases(ctx context.Context, effort effort) ([]measure.Table, error) {
	n := effort.leases
	house, err := openHouse(n)
	if err != nil {
		return nil, err
	}
	born := time.Now().Add(-time.Minute)
	memory, err := house.openAll(ctx, born)
	if err != nil {
		return nil, err
	}
	same, err := house.callAll(ctx, born)
	if err != nil {
		return nil, err
	}
	renewed, err := house.callAll(ctx, born.Add(time.Second))
	if err != nil {
		return nil, err
	}
	ended, err := house.endAll()
	if err != nil {
		return nil, err
	}
	time := measure.Section{
		Name:  "leases",
		Title: "A lease",
		Note: fmt.Sprintf("%d streams are open in this process, each with a session of its own, and nothing is sent. "+
			"A call of each session is admitted, with the token of the stream and then with a newer one, which renews the stream. "+
			"At last everything is revoked at once; the end of a stream includes that of the two goroutines which serve it.", n),
		Unit: "ns",
		Contenders: []measure.Contender{
			figure("a call that renews nothing", same),
			figure("a call that renews a stream", renewed),
			figure("the end of a stream", ended),
		},
	}
	return each(ctx, time, memory)
}

const housed = "/ostiary.bench.v1.HouseService/Stay"

// A house is a guard that believes whoever calls, and the streams it has
// admitted.
type house struct {
	guard   *auth.Guard
	revoked *revocation.List
	guests  []auth.Identity // each with a session of its own
	caller  auth.Identity   // who calls now

	streams sync.WaitGroup
}

func openHouse(guests int) (*house, error) {
	rules, err := policy.New(policy.Override(housed, &policyv1.Rule{
		Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}},
	}))
	if err != nil {
		return nil, err
	}
	h := &house{revoked: revocation.New(revocation.Config{}), guests: make([]auth.Identity, guests)}
	for n := range h.guests {
		h.guests[n] = auth.Identity{
			Issuer: issuer.URL, Subject: issuer.Subject(n), Kind: auth.KindSession, SessionID: fmt.Sprintf("sess_2%026d", n),
		}
	}
	h.guard = &auth.Guard{Authenticator: h, Policy: rules, Revocations: h.revoked}
	return h, nil
}

// Authenticate returns a new identity each time, as a verifier does.
func (h *house) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	id := h.caller
	return &id, nil
}

// admit admits a call of a guest.
func (h *house) admit(ctx context.Context, guest int, issued time.Time, shape auth.StreamType) (context.Context, error) {
	h.caller = h.guests[guest]
	h.caller.IssuedAt, h.caller.ExpiresAt = issued, issued.Add(time.Hour)
	return h.guard.Admit(ctx, auth.Call{Procedure: housed, Stream: shape})
}

// callAll returns what a call costs, of those that each guest makes once.
func (h *house) callAll(ctx context.Context, issued time.Time) (measure.Sample, error) {
	before := measure.Now()
	for guest := range h.guests {
		if _, err := h.admit(ctx, guest, issued, auth.Unary); err != nil {
			return measure.Sample{}, err
		}
	}
	return measure.Now().Since(before).Per(len(h.guests)), nil
}

// endAll revokes what the issuer has issued, and returns what the end of a
// stream costs.
func (h *house) endAll() (measure.Sample, error) {
	before := measure.Now()
	err := h.revoked.Add(revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: issuer.URL, Before: time.Now()})
	if err != nil {
		return measure.Sample{}, err
	}
	h.streams.Wait()
	return measure.Now().Since(before).Per(len(h.guests)), nil
}
