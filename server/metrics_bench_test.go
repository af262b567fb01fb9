package server

import (
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// BenchmarkMetrics says what measuring adds to a call with a token that was verified before:
// the time of the measurements of one call, beside the processor time of calls without them,
// of a client and a server in one process. Whole calls with and without differ less than from
// run to run.
func BenchmarkMetrics(b *testing.B) {
	plain := start(b, func(c *Config) { c.AdminAddr = AdminNone })
	measured := start(b)
	token := plain.issuer.Session("user_ada")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	overHTTP := &http.Transport{Protocols: protocols}
	b.Cleanup(overHTTP.CloseIdleConnections)
	client := identityv1connect.NewIdentityServiceClient(&http.Client{Transport: overHTTP}, plain.url, connect.WithInterceptors(bearer(token)))
	conn, err := grpc.NewClient(plain.GRPCAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	native, withToken := identityv1.NewIdentityServiceClient(conn), metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token)

	m := measured.Server.metrics
	for protocol, call := range map[string]func() error{
		"connect": func() error {
			_, err := client.WhoAmI(b.Context(), &identityv1.WhoAmIRequest{})
			return err
		},
		"grpc": func() error {
			_, err := native.WhoAmI(withToken, &identityv1.WhoAmIRequest{})
			return err
		},
	} {
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
