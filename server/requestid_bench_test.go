package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// BenchmarkRequestIDs says what the id adds to a call with a token that was verified before:
// to make it, to send it and to add it to the line of the log, beside the processor time of
// such a call, of a client and a server in one process.
func BenchmarkRequestIDs(b *testing.B) {
	r := start(b)
	token := r.issuer.Session("user_ada")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	overHTTP := &http.Transport{Protocols: protocols}
	b.Cleanup(overHTTP.CloseIdleConnections)
	client := identityv1connect.NewIdentityServiceClient(&http.Client{Transport: overHTTP}, r.url, connect.WithInterceptors(bearer(token)))
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

	plain := slog.NewJSONHandler(nowhere{}, nil)
	line := func(ctx context.Context, log *slog.Logger) {
		log.LogAttrs(ctx, slog.LevelInfo, "call", slog.String("procedure", identityv1connect.IdentityServiceWhoAmIProcedure), slog.String("protocol", "connect"),
			slog.String("peer", "127.0.0.1:50000"), slog.String("code", "ok"), slog.Duration("duration", time.Millisecond), slog.String("subject", "user_ada"), slog.String("issuer", r.issuer.URL()))
	}
	answer, request := httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", http.NoBody)
	time := func(name string, with, without func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				with()
			}
			added := float64(processorTime(b)-before) / float64(b.N)
			if without != nil {
				before = processorTime(b)
				for range b.N {
					without()
				}
				added -= float64(processorTime(b)-before) / float64(b.N)
			}
			b.ReportMetric(added, "cpu-ns/added")
			b.ReportMetric(100*added/whole, "%added")
		})
	}
	handler := withRequestIDs(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	time("made and sent", func() { handler.ServeHTTP(answer, request) }, nil)
	identified, logged, unlogged := auth.WithRequestID(b.Context(), ""), slog.New(transport.LogHandler(plain)), slog.New(plain)
	time("logged", func() { line(identified, logged) }, func() { line(identified, unlogged) })
	b.ReportMetric(whole, "cpu-ns/call")
}

// nowhere is where a log is encoded for, which it is not for io.Discard.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
