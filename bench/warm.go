package main

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/verifiers"
)

// warm measures a token that was seen before. The cache is asked by the token's
// hash, which no implementation that keeps no tokens can do without.
func warm(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("RS256")
	token := iss.Token(0)
	verify, err := verifiers.Ours(ctx, iss.Trust())
	if err != nil {
		return nil, err
	}
	const baseline = "SHA-256 of the token alone"
	plain := []byte(token)
	return one(ctx, measure.Section{
		Name:  "warm",
		Title: "Verifying a token again",
		Note:  fmt.Sprintf("The same token of %d bytes, found in the cache; its times and its key are judged anew. No peer has such a cache.", len(token)),
		Unit:  "ns",
		Contenders: []measure.Contender{
			{Name: baseline, Measure: measure.CPU(effort.turn, func(int) error {
				sha256.Sum256(plain)
				return nil
			})},
			{
				Name: "ostiary, warm", Against: baseline, Ours: true,
				Goals:   []measure.Goal{{Of: measure.Value, Limit: 800}, {Of: measure.Allocs}},
				Measure: measure.CPU(effort.turn, func(int) error { return verify(ctx, token) }),
			},
		},
	}, effort.rounds)
}

// cores measures whether callers on two cores get in each other's way. They
// share 64 tokens.
func cores(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("EdDSA")
	tokens := make([]string, 64)
	for i := range tokens {
		tokens[i] = iss.Token(i)
	}
	verify, err := verifiers.Ours(ctx, iss.Trust())
	if err != nil {
		return nil, err
	}
	operation := func(n int) error { return verify(ctx, tokens[n%len(tokens)]) }
	for n := range tokens {
		if err := operation(n); err != nil {
			return nil, err
		}
	}
	const baseline = "one goroutine"
	return one(ctx, measure.Section{
		Name:  "cores",
		Title: "Verifying again on two cores",
		Note: "How many verifications of 64 tokens that are in the cache are done in a millisecond on the clock: " +
			"time that a busy machine spoils sooner than it does CPU time.",
		Unit: "per ms",
		Contenders: []measure.Contender{
			{Name: baseline, Measure: measure.Throughput(1, effort.turn, operation)},
			{
				Name: "two goroutines", Against: baseline, Ours: true,
				Goals:   []measure.Goal{{Of: measure.Ratio, Limit: 1.8, AtLeast: true}},
				Measure: measure.Throughput(2, effort.turn, operation),
			},
		},
	}, effort.rounds)
}
