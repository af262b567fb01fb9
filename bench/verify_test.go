package main

import (
	"context"
	"crypto/sha256"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/verifiers"
)

func BenchmarkCold(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(algorithm+"/signature check alone", func(b *testing.B) {
			iss := issuer.New(algorithm)
			check, err := verifiers.Signature(iss.Trust(), iss.Token(0))
			if err != nil {
				b.Fatal(err)
			}
			measure(b, figures{"token-bytes": float64(len(iss.Token(0)))}, func(int) error { return check() })
		})
		for _, v := range verifiers.All() {
			b.Run(algorithm+"/"+v.Name, func(b *testing.B) { benchmarkVerifier(b, algorithm, v.New) })
		}
	}
}

func benchmarkVerifier(b *testing.B, algorithm string, prepare func(context.Context, issuer.Trust) (verifiers.Verify, error)) {
	b.Helper()
	iss := issuer.New(algorithm)
	token := iss.Token(0)
	verify, err := prepare(b.Context(), iss.Trust())
	if err != nil {
		b.Fatal(err)
	}
	measure(b, figures{"token-bytes": float64(len(token))}, func(int) error { return verify(b.Context(), token) })
}

// The cache finds a token by its hash, which no implementation that keeps no
// tokens can do without.
func BenchmarkWarm(b *testing.B) {
	b.Run("SHA-256 of the token alone", func(b *testing.B) {
		token := []byte(issuer.New("RS256").Token(0))
		measure(b, figures{"token-bytes": float64(len(token))}, func(int) error {
			sha256.Sum256(token)
			return nil
		})
	})
	b.Run("ostiary, warm", func(b *testing.B) { benchmarkVerifier(b, "RS256", verifiers.Ours) })
}

// BenchmarkCores shows whether callers on two cores slow each other down. It
// counts elapsed time, since CPU time leaves waiting out.
func BenchmarkCores(b *testing.B) {
	for name, goroutines := range map[string]int{"one goroutine": 1, "two goroutines": 2} {
		b.Run(name, func(b *testing.B) {
			iss := issuer.New("EdDSA")
			tokens := mint(iss, 64)
			verify, err := verifiers.Ours(b.Context(), iss.Trust())
			if err != nil {
				b.Fatal(err)
			}
			operation := func(i int) error { return verify(b.Context(), tokens[i%len(tokens)]) }
			if err := repeat(len(tokens), operation); err != nil {
				b.Fatal(err)
			}
			take(b, nil, func(n int) (figures, error) {
				runtime.GC()
				start := time.Now()
				err := concurrently(b.Context(), goroutines, n*goroutines, operation)
				return figures{"ops/ms": float64(n*goroutines) / float64(time.Since(start)) * float64(time.Millisecond)}, err
			})
		})
	}
}

// BenchmarkMemory reports what the heap keeps for each token in the cache.
func BenchmarkMemory(b *testing.B) {
	b.Run("ostiary", func(b *testing.B) {
		iss := issuer.New("EdDSA") // quick to sign with, and the same token each time
		n := size(1_000_000, 10_000)
		remote, err := verifiers.Keys(b.Context(), iss.Trust())
		if err != nil {
			b.Fatal(err)
		}
		take(b, figures{"tokens": float64(n), "token-bytes": float64(len(iss.Token(0)))}, func(int) (figures, error) {
			keys := &lockable{Set: remote}
			var verifier *token.Verifier
			cached, err := held(n, "token", func() (err error) {
				if verifier, err = verifiers.NewOurs(iss.Trust(), keys, token.Config{CacheEntries: n, CacheBytes: math.MaxInt64}); err != nil {
					return err
				}
				return concurrently(b.Context(), runtime.GOMAXPROCS(0), n, func(i int) error {
					_, err := verifier.Verify(b.Context(), iss.Token(i))
					return err
				})
			})
			if err != nil {
				return nil, err
			}
			keys.locked.Store(true)
			sample, found := min(n, 10_000), 0
			for i := range sample {
				if _, err := verifier.Verify(b.Context(), iss.Token(i*n/sample)); err == nil {
					found++
				}
			}
			part := float64(found) / float64(sample)
			return figures{"heap-bytes/token": cached["heap-bytes/token"] / part, "held-%": 100 * part}, nil
		})
	})
}

// concurrently calls the operation n times, and stops at the first error.
func concurrently(ctx context.Context, goroutines, n int, operation func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for first := range goroutines {
		all.Go(func() {
			for i := first; i < n && ctx.Err() == nil; i += goroutines {
				if err := operation(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// mint signs n tokens.
func mint(iss *issuer.Issuer, n int) []string {
	tokens := make([]string, n)
	_ = concurrently(context.Background(), runtime.GOMAXPROCS(0), n, func(i int) error { // cannot fail
		tokens[i] = iss.Token(i)
		return nil
	})
	return tokens
}

// lockable is a key set that can be locked, after which only cached tokens are
// accepted.
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
