package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
)

func BenchmarkCalls(b *testing.B) {
	many := size(10_000, 100)
	for _, t := range transports {
		b.Run(t.name, func(b *testing.B) {
			benchmarkCalls(b, t, "no auth, no token sent", "no auth", 0)
			benchmarkCalls(b, t, "no auth, one token sent", "no auth", 1)
			benchmarkCalls(b, t, "no auth, many tokens sent", "no auth", many)
			benchmarkCalls(b, t, "ostiary, warm", "ostiary", 1)
			benchmarkCalls(b, t, "ostiary, many tokens, warm", "ostiary", many)
			benchmarkCalls(b, t, "ostiary, cold", "ostiary, cold", 1)
			for _, peer := range t.peers {
				benchmarkCalls(b, t, peer, peer, 1)
			}
		})
	}
}

func benchmarkCalls(b *testing.B, t transport, name, guard string, tokens int) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		iss := issuer.New("RS256")
		sent := []string{""}
		if tokens > 0 {
			sent = mint(iss, tokens)
		}
		s := serve(b, t.server, guard, iss.Trust())
		c := startClients(b, config{t.protocol, s.address, sent, 1})
		measureOrder(b, figures{"tokens": float64(tokens)}, c, "unary")
	})
}

// measureOrder measures what an order costs the server in this process.
func measureOrder(b *testing.B, constants figures, c orders, what string) {
	b.Helper()
	take(b, constants, func(n int) (figures, error) {
		return cost(n, "op", func() error {
			_, err := c.do(what, n)
			return err
		})
	})
}

func BenchmarkStreams(b *testing.B) {
	for _, transport := range []string{"connect-go", "grpc-go"} {
		for stream, what := range map[string]string{"server stream": "receive", "client stream": "send"} {
			for name, guard := range map[string]string{"bare": "no auth", "guarded": "ostiary"} {
				b.Run(transport+", "+stream+", "+name, func(b *testing.B) {
					iss := issuer.New("RS256")
					s := serve(b, transport, guard, iss.Trust())
					measureOrder(b, nil, startClients(b, config{transport, s.address, mint(iss, 1), 1}), what)
				})
			}
		}
	}
}

func BenchmarkWatchers(b *testing.B) {
	n := size(10_000, 500)
	for _, transport := range []string{"connect-go", "grpc-go"} {
		for name, guard := range map[string]string{"bare": "no auth", "guarded": "ostiary"} {
			b.Run(transport+", "+name, func(b *testing.B) {
				iss := issuer.New("EdDSA") // quick to sign with
				tokens := mint(iss, n)
				take(b, figures{"streams": float64(n)}, func(int) (figures, error) {
					s := serve(b, transport, guard, iss.Trust())
					c := startClients(b, config{transport, s.address, tokens, n / streamsPerConnection})
					f, err := held(n, "stream", func() error {
						_, err := c.do("watch", n)
						return err
					})
					if err != nil || guard == "no auth" {
						return f, err
					}
					took, err := revokeSome(s, c, n)
					if err != nil {
						return nil, err
					}
					f["median-ms"], f["p99-ms"] = quantile(took, 0.5), quantile(took, 0.99)
					return f, nil
				})
			})
		}
	}
}

// revokeSome revokes the users of some of n streams, and returns how many
// milliseconds the stream of each took to end, in order.
func revokeSome(s server, c orders, n int) ([]float64, error) {
	start := time.Now()
	var revocations []revocation.Revocation
	for i := 0; i < n; i += revokedOfEach {
		revocations = append(revocations, revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer.URL, ID: issuer.Subject(i), Before: start})
	}
	if err := s.revoked.Add(revocations...); err != nil {
		return nil, err
	}
	a, err := c.do("await", len(revocations))
	if err != nil {
		return nil, err
	}
	var took []float64
	for _, at := range a.Ends {
		took = append(took, float64(at.Sub(start.Round(0)))/float64(time.Millisecond))
	}
	slices.Sort(took)
	return took, nil
}

// quantile returns the value that a part of the sorted ones do not exceed.
func quantile(sorted []float64, part float64) float64 {
	return sorted[int(math.Ceil(part*float64(len(sorted))))-1]
}
