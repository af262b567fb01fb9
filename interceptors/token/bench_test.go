package token_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

func benchmarkVerifier(b *testing.B, algorithm string, entries int) (*token.Verifier, string) {
	b.Helper()
	issuer := authtest.New("https://clerk.example.com")
	key := authtest.NewKey(algorithm)
	issuer.Publish(key)
	public, err := jwks.NewKey(key.ID(), key.Public(), "")
	if err != nil {
		b.Fatal(err)
	}
	keys, err := jwks.NewStatic(public)
	if err != nil {
		b.Fatal(err)
	}
	verifier, err := token.New(token.Config{
		CacheEntries: entries,
		Issuers: []token.Issuer{{
			URL: issuer.URL(), Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true,
			Algorithms: []string{algorithm},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return verifier, issuer.Session("user_ada", authtest.SignedBy(key), authtest.ExpiresIn(3600e9),
		authtest.InOrganization("org_acme", "acme", "admin", "invoices:read", "invoices:delete", "teams:read"))
}

func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run("cold/"+algorithm, func(b *testing.B) {
			verifier, raw := benchmarkVerifier(b, algorithm, -1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("warm", func(b *testing.B) {
		verifier, raw := benchmarkVerifier(b, "RS256", 0)
		b.ReportMetric(float64(len(raw)), "bytes")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := verifier.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("warm/parallel", func(b *testing.B) {
		verifier, raw := benchmarkVerifier(b, "RS256", 0)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := verifier.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
