package main

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/aclements/go-moremath/stats"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

var transports = []string{"connect-go", "grpc-go", "net-http"}

// guards are the rows for each transport, or for the only one that a peer is for.
var guards = []struct {
	name, guard, only string
	tokens            int // that calls send in turn
}{
	{"no auth, no token", "no auth", "", 0},
	{"no auth, one token", "no auth", "", 1},
	{"no auth, 1000 tokens", "no auth", "", 1000},
	{"ostiary, warm", "ostiary", "", 1},
	{"ostiary, warm, 1000 tokens", "ostiary", "", 1000},
	{"ostiary, cold", "ostiary, cold", "", 1},
	{"authn-go + golang-jwt", "authn-go + golang-jwt", "connect-go", 1},
	{"clerk-sdk-go's middleware", "clerk-sdk-go's middleware", "connect-go", 1},
	{"go-grpc-middleware + golang-jwt", "go-grpc-middleware + golang-jwt", "grpc-go", 1},
}

func BenchmarkCalls(b *testing.B) {
	for _, transport := range transports {
		for _, row := range guards {
			if row.only != "" && row.only != transport {
				continue
			}
			b.Run(transport+"/"+row.name, func(b *testing.B) {
				iss, batch := newIssuer(b, "RS256"), size(1000, 10)
				tokens := iss.tokens(min(row.tokens, batch))
				if row.tokens == 0 {
					tokens = []string{""}
				}
				server := startServer(b, Setup{transport, row.guard, iss.trust})
				client := newClient(b, server)
				measure(b, server.usage, batch, func(int) error {
					return concurrently(8, batch, func(i int) error { return client.call(b.Context(), tokens[i%len(tokens)]) })
				})
			})
		}
	}
}

func BenchmarkStreams(b *testing.B) {
	const n = 1000
	for _, transport := range transports[:2] {
		for i, direction := range []string{"sent", "received"} {
			for _, guard := range []string{"no auth", "ostiary"} {
				b.Run(transport+", "+direction+"/"+guard, func(b *testing.B) {
					iss := newIssuer(b, "RS256")
					server := startServer(b, Setup{transport, guard, iss.trust})
					s := newClient(b, server).open(b.Context(), iss.token(0))
					measure(b, server.usage, n, func(int) error { return exchange(s, []int{1, n}[i], []int{n, 1}[i]) })
				})
			}
		}
	}
}

// BenchmarkWatchers has a great many streams open at once.
func BenchmarkWatchers(b *testing.B) {
	for _, transport := range transports[:2] {
		b.Run(transport, func(b *testing.B) {
			bare := watch(b, transport, "no auth")
			guarded := watch(b, transport, "ostiary")
			b.ReportMetric(0, "ns/op")
			for _, unit := range []string{"heap-bytes", "stack-bytes", "goroutines"} {
				b.ReportMetric(bare[unit], "bare-"+unit)
				b.ReportMetric(guarded[unit]-bare[unit], "added-"+unit)
			}
		})
	}
}

// How many streams share a connection, and how many there are for each that ends.
const perConnection, perRevoked = 100, 100

// watch opens streams, each of a user of its own, and returns what the server holds
// for each. With ostiary it then revokes some users, and reports how soon their
// streams end.
func watch(b *testing.B, transport, guard string) Usage {
	b.Helper()
	n, iss := size(10_000, 500), newIssuer(b, "EdDSA")
	tokens, clients, streams := iss.tokens(n), make([]client, n/perConnection), make([]*stream, n)
	server := startServer(b, Setup{transport, guard, iss.trust})
	for i := range clients {
		clients[i] = newClient(b, server)
	}
	check(concurrently(8, n, func(i int) error { return clients[i/perConnection].call(b.Context(), tokens[i]) }))
	before := server.usage(true)
	for i, token := range tokens {
		streams[i] = clients[i/perConnection].open(b.Context(), token)
		check(exchange(streams[i], 1, 1))
	}
	after := server.usage(true)
	if guard == "no auth" {
		return after.since(before, n)
	}
	took := stats.Sample{Xs: make([]float64, n/perRevoked)}
	runtime.GC() // so that it does not run now
	start := time.Now()
	revoking := server.Go("Server.Revoke", n, nil, nil)
	check(concurrently(len(took.Xs), len(took.Xs), func(i int) error {
		_, err := streams[i*perRevoked].Receive()
		took.Xs[i] = time.Since(start).Seconds() * 1000
		if reason, _ := connectauth.ReasonOf(err); reason != auth.TokenRevoked {
			return fmt.Errorf("a revoked stream ended: %w", err)
		}
		return nil
	}))
	check((<-revoking.Done).Error)
	b.ReportMetric(server.usage(false).since(after, n)["cpu-ns"], "revoked-cpu-ns")
	b.ReportMetric(took.Quantile(0.5), "revoked-50%-ms")
	b.ReportMetric(took.Quantile(0.99), "revoked-99%-ms")
	for i, s := range streams {
		if i%perRevoked != 0 {
			check(exchange(s, 1, 1)) // still open
		}
	}
	return after.since(before, n)
}
