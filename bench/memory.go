package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/verifiers"
)

// memory measures what the heap keeps for each token in the cache, identity and
// claims included. There is one sample: it takes a while, and memory is no
// matter of luck.
func memory(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("EdDSA") // quick to sign with, and the same token each time
	held, bytes, err := fill(ctx, iss, effort.entries)
	if err != nil {
		return nil, err
	}
	table, err := measure.Section{
		Name:  "memory",
		Title: "Memory for each cached token",
		Note: fmt.Sprintf("%d tokens of %d bytes were verified into a cache of as many entries, and dropped; a sample says that %.1f %% of "+
			"them are held. What the heap has grown by, the cache's own table included, is divided by their number.",
			effort.entries, len(iss.Token(0)), 100*held),
		Unit: "bytes",
		Contenders: []measure.Contender{{
			Name: "ostiary", Ours: true,
			Goals: []measure.Goal{{Of: measure.Value, Limit: 1024}},
			Measure: func(context.Context) (measure.Sample, error) {
				return measure.Sample{Value: bytes / (held * float64(effort.entries))}, nil
			},
		}},
	}.Run(ctx, 1)
	return []measure.Table{table}, err
}

// fill verifies so many tokens and returns which part of them is still held, and
// by how many bytes the heap has grown.
func fill(ctx context.Context, iss *issuer.Issuer, entries int) (held, bytes float64, err error) {
	trust := iss.Trust()
	remote, err := verifiers.Keys(ctx, trust)
	if err != nil {
		return 0, 0, err
	}
	keys := &lockable{Set: remote}
	before := measure.Holding().Heap
	verifier, err := verifiers.NewOurs(trust, keys, token.Config{CacheEntries: entries, CacheBytes: math.MaxInt64})
	if err != nil {
		return 0, 0, err
	}
	if err := verifyAll(ctx, verifier, iss, entries); err != nil {
		return 0, 0, err
	}
	bytes = measure.Holding().Heap - before
	keys.locked.Store(true)
	const sample = 10_000
	found := 0
	for i := range min(sample, entries) {
		if _, err := verifier.Verify(ctx, iss.Token(i*max(1, entries/sample))); err == nil {
			found++
		}
	}
	return float64(found) / float64(min(sample, entries)), bytes, nil
}

// verifyAll uses every core: signing and verifying a million tokens takes a
// minute or two on one.
func verifyAll(ctx context.Context, verifier *token.Verifier, iss *issuer.Issuer, entries int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < entries && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if _, err := verifier.Verify(ctx, iss.Token(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// lockable is a key set that can be locked away, after which only cached tokens
// are accepted.
type lockable struct {
	jwks.Set

	locked atomic.Bool
}

func (l *lockable) Lookup(ctx context.Context, hint jwks.Hint) ([]*jwks.Key, error) {
	if l.locked.Load() {
		return nil, jwks.ErrUnavailable
	}
	return l.Set.Lookup(ctx, hint)
}
