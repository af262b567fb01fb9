package server

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/settings"
)

// BenchmarkDecisions says what a record adds to a call with a token that was verified before:
// the processor time of making and writing the record, beside that of a call without one, of a
// client and a server in one process; and how long the call waits for it.
func BenchmarkDecisions(b *testing.B) {
	plain := start(b, func(c *settings.Config) { c.AdminAddr = settings.AdminNone })
	recorded := start(b, func(c *settings.Config) {
		c.AdminAddr, c.Decisions, c.DecisionsMaxFiles = settings.AdminNone, filepath.Join(b.TempDir(), "decisions.jsonl"), 2
	})
	token := plain.issuer.Session("user_ada")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	overHTTP := &http.Transport{Protocols: protocols}
	b.Cleanup(overHTTP.CloseIdleConnections)
	client := identityv1connect.NewIdentityServiceClient(&http.Client{Transport: overHTTP}, plain.url, connect.WithInterceptors(bearer(token)))
	const calls = 2000
	var before time.Duration
	for i := range calls + 100 {
		if i == 100 { // the token is verified, and the connection is there
			before = processorTime(b)
		}
		if _, err := client.WhoAmI(b.Context(), &identityv1.WhoAmIRequest{}); err != nil {
			b.Fatal(err)
		}
	}
	whole := float64(processorTime(b)-before) / calls
	id, err := plain.verifier.Verify(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	d := auth.Decision{
		Procedure: identityv1.IdentityService_WhoAmI_FullMethodName, Protocol: "connect", Peer: "127.0.0.1:50000",
		Duration: 5 * time.Microsecond, Identity: id,
	}
	ctx := b.Context()
	b.ReportAllocs()
	var waited time.Duration
	n := 0
	before = processorTime(b)
	for b.Loop() {
		begun := time.Now()
		recorded.recordDecision(ctx, d)
		waited += time.Since(begun)
		if n++; n%4000 == 0 { // what does not fit into the queue would cost nothing
			for recorded.decisions.Status().Written < uint64(n) {
				<-time.After(time.Millisecond)
			}
		}
	}
	added := float64(processorTime(b)-before) / float64(b.N)
	if s := recorded.decisions.Status(); s.Lost > 0 {
		b.Fatalf("%d were lost", s.Lost)
	}
	b.ReportMetric(whole, "cpu-ns/call")
	b.ReportMetric(added, "cpu-ns/record")
	b.ReportMetric(100*added/whole, "%added")
	b.ReportMetric(float64(waited)/float64(b.N), "ns-waited/call")
}
