package server

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// BenchmarkMetrics says what measuring adds to a call with a token that was verified before:
// the time of the measurements of one call, beside the processor time of calls without them,
// of a client and a server in one process. Whole calls with and without differ less than from
// run to run.
func BenchmarkMetrics(b *testing.B) {
	plain := start(b, func(c *settings.Config) { c.AdminAddr = settings.AdminNone })
	measured := start(b)
	m := measured.Server.metrics
	for _, protocol := range []string{"connect", "grpc"} {
		call := warmCall(b, plain, protocol)
		b.Run(protocol, func(b *testing.B) {
			const calls = 2000
			var before time.Duration
			for i := range calls + 100 {
				if i == 100 { // the token is verified, and the connection is there
					before = processorTime(b)
				}
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
			whole := float64(processorTime(b)-before) / calls
			d := auth.Decision{Procedure: identityv1.IdentityService_WhoAmI_FullMethodName, Protocol: protocol, Duration: 5 * time.Microsecond}
			ctx := b.Context()
			b.ReportAllocs()
			before = processorTime(b)
			for b.Loop() {
				m.Observe(ctx, d)
				m.Call(ctx, d.Procedure, protocol, "ok", time.Millisecond)
			}
			added := float64(processorTime(b)-before) / float64(b.N)
			b.ReportMetric(whole, "cpu-ns/call")
			b.ReportMetric(added, "cpu-ns/measured")
			b.ReportMetric(100*added/whole, "%added")
		})
	}
}

// BenchmarkObservers says what all that watches a call adds to it, where the token was verified
// before: the metrics, the record of the decision in a file, the line of the log, and all of
// them together. It calls two servers in turn, of which one has none of them, and compares the
// medians of the processor time of a call, of client and server together.
func BenchmarkObservers(b *testing.B) {
	quiet := func(c *settings.Config) { c.AdminAddr, c.Logger = settings.AdminNone, slog.New(slog.DiscardHandler) }
	metrics := func(c *settings.Config) { c.AdminAddr = "127.0.0.1:0" }
	decisions := func(c *settings.Config) {
		c.Decisions, c.DecisionsMaxFiles = filepath.Join(b.TempDir(), "decisions.jsonl"), 2
	}
	log := func(c *settings.Config) { c.Logger = slog.New(slog.NewTextHandler(nowhere{}, nil)) }
	for _, observers := range []struct {
		name string
		set  []func(*settings.Config)
	}{
		{"metrics", []func(*settings.Config){quiet, metrics}},
		{"decisions", []func(*settings.Config){quiet, decisions}},
		{"log", []func(*settings.Config){quiet, log}},
		{"all", []func(*settings.Config){quiet, metrics, decisions, log}},
	} {
		plain, watched := start(b, quiet), start(b, observers.set...)
		for _, protocol := range []string{"connect", "grpc"} {
			b.Run(observers.name+"/"+protocol, func(b *testing.B) {
				calls := [2]func() error{warmCall(b, plain, protocol), warmCall(b, watched, protocol)}
				var times [2][]float64
				for b.Loop() {
					for i, call := range calls {
						const together = 500
						before := processorTime(b)
						for range together {
							if err := call(); err != nil {
								b.Fatal(err)
							}
						}
						times[i] = append(times[i], float64(processorTime(b)-before)/together)
					}
				}
				for i := range times {
					slices.Sort(times[i])
				}
				without, with := times[0][len(times[0])/2], times[1][len(times[1])/2]
				b.ReportMetric(without, "cpu-ns/call")
				b.ReportMetric(with-without, "cpu-ns/added")
				b.ReportMetric(100*(with-without)/without, "%added")
			})
		}
	}
}

// warmCall returns a call to a server, over a connection of its own.
func warmCall(b *testing.B, r *running, protocol string) func() error {
	b.Helper()
	token := r.issuer.Session("user_ada", authtest.ExpiresIn(time.Hour))
	if protocol == "grpc" {
		conn, err := grpc.NewClient(r.GRPCAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		client, ctx := identityv1.NewIdentityServiceClient(conn), metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token)
		return func() error {
			_, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
			return err
		}
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	b.Cleanup(transport.CloseIdleConnections)
	client := identityv1connect.NewIdentityServiceClient(&http.Client{Transport: transport}, r.url, connect.WithInterceptors(bearer(token)))
	return func() error {
		_, err := client.WhoAmI(b.Context(), &identityv1.WhoAmIRequest{})
		return err
	}
}
