package feed

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// followTLS follows a hub over TLS until it has caught up.
func followTLS(b *testing.B, url string, client *http.Client, snapshot string) *Follower {
	b.Helper()
	follower, err := Follow(Config{
		Hubs: []string{url}, TokenSource: authclient.StaticToken(secret), Service: "billing", Transport: client.Transport,
		Snapshot: snapshot, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := follower.WaitReady(b.Context()); err != nil {
		b.Fatal(err)
	}
	return follower
}

// BenchmarkCatchUp reads a million revocations from a hub, and then from a snapshot.
func BenchmarkCatchUp(b *testing.B) {
	const revocations = 1_000_000
	hub, server := newTLSHub(b)
	for i := range revocations {
		hub.changes = append(hub.changes, revoked(session(fmt.Sprintf("sess_%027d", i))))
	}
	snapshot := filepath.Join(b.TempDir(), "revocations")
	_ = followTLS(b, server.URL, server.Client(), snapshot).Close()
	for name, path := range map[string]string{"from a hub": "", "from a snapshot": snapshot} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				follower := followTLS(b, server.URL, server.Client(), path)
				if n := follower.Status().Revocations; n != revocations {
					b.Errorf("%d revocations", n)
				}
				b.StopTimer()
				_ = follower.Close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWarmCall admits a call whose token was verified before, by a guard whose
// revocations are a list, and by one that follows a hub.
func BenchmarkWarmCall(b *testing.B) {
	_, server := newTLSHub(b)
	follower := followTLS(b, server.URL, server.Client(), "")
	defer follower.Close() //nolint:errcheck // it is always nil
	guard, issuer := authtest.Guard(b)
	key := authtest.NewKey("RS256")
	issuer.Publish(key)
	public, err := jwks.NewKey(key.ID(), key.Public(), "")
	if err != nil {
		b.Fatal(err)
	}
	keys, err := jwks.NewStatic(public)
	if err != nil {
		b.Fatal(err)
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{URL: issuer.URL(), Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true}}})
	if err != nil {
		b.Fatal(err)
	}
	bearer := "Bearer " + issuer.Session("user_ada", authtest.SignedBy(key), authtest.ExpiresIn(time.Hour))
	call := auth.Call{Procedure: feedv1connect.FeedServiceReadChangesProcedure, Header: http.Header{"Authorization": {bearer}}}
	for name, revocations := range map[string]auth.Revocations{"list": revocation.New(revocation.Config{}), "follower": follower} {
		b.Run(name, func(b *testing.B) {
			guarded := &auth.Guard{Authenticator: verifier, Policy: guard.Policy, Revocations: revocations}
			for b.Loop() {
				if _, err := guarded.Admit(b.Context(), call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
