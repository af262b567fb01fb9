package authtest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Guard returns a guard, and the issuer of the tokens that it accepts: Clerk's, for any
// audience. Its rules are those of the schemas that are linked into the test
// ([policy.Linked]), and those that are given:
//
//	guard, issuer := authtest.Guard(t)
//	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
//	call(issuer.Session("user_ada"))
//
// Nothing is served and nothing is fetched: the guard has the issuer's keys in memory,
// and sees at its next call when one is added, rotated or removed. It has an empty
// *revocation.List as its Revocations. Refusals are written to the test's output.
//
// All issuers of Guard and GuardFor begin with the same key, so a guard accepts the tokens
// of another's issuer that has the same URL.
//
// Rules with conditions need condition.Enable() among the options.
func Guard(t TB, rules ...policy.Option) (*auth.Guard, *Issuer) {
	t.Helper()
	return GuardFor(t, token.Issuer{Profile: token.Clerk()}, rules...)
}

// GuardFor is Guard for an issuer like the one of your settings, whose tokens
// [Issuer.UserOf] and [Issuer.MachineOf] mint:
//
//	guard, issuer := authtest.GuardFor(t, token.Issuer{
//		Profile:   token.Keycloak(),
//		Kinds:     []auth.TokenKind{auth.KindOAuth, auth.KindMachine},
//		Audiences: []string{"orders"},
//	})
//	call(issuer.MachineOf("keycloak", "job", authtest.With("aud", "orders")))
//
// An empty URL is one that fits the profile. The Keys are always the issuer's. Where
// neither an audience nor an authorized party is named, any is accepted. As in a server,
// an issuer without Kinds accepts those of the profile, which mostly leave out machines.
func GuardFor(t TB, trusted token.Issuer, rules ...policy.Option) (*auth.Guard, *Issuer) {
	t.Helper()
	trusted.URL = cmp.Or(trusted.URL, urls[trusted.Profile.Name], "https://issuer.example.com")
	issuer := New(trusted.URL)
	issuer.Publish(firstKey())
	trusted.Keys = &publishedKeys{issuer: issuer}
	if len(trusted.Audiences)+len(trusted.AuthorizedParties) == 0 {
		trusted.AllowAnyAudience = true
	}
	verifier, err := token.New(token.Config{
		Issuers:      []token.Issuer{trusted},
		CacheEntries: -1, // a token counts no longer as soon as its key was removed
	})
	if err != nil {
		t.Fatalf("authtest: trust the issuer: %v", err)
	}
	compiled, err := policy.New(append([]policy.Option{policy.Linked()}, rules...)...)
	if err != nil {
		t.Fatalf("authtest: compile the rules: %v", err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	guard := &auth.Guard{
		Authenticator: verifier,
		Policy:        compiled,
		Revocations:   revocation.New(revocation.Config{}),
		Observer:      auth.LogRefusals(logger),
		Logger:        logger,
	}
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Fatalf("authtest: close the guard: %v", err)
		}
	})
	return guard, issuer
}

// firstKey is the first key of every issuer of Guard: making one takes a tenth of a second.
var firstKey = sync.OnceValue(func() *Key { return NewKey(defaultAlgorithm) })

// urls are issuers as the providers name them; others are like any issuer.
var urls = map[string]string{
	"auth0":          "https://example.eu.auth0.com/",
	"clerk":          "https://clerk.example.com",
	"cognito":        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example",
	"entra":          "https://login.microsoftonline.com/8c1f5b2e-0000-4000-8000-000000000000/v2.0",
	"github-actions": "https://token.actions.githubusercontent.com",
	"gitlab":         "https://gitlab.com",
	"google":         "https://accounts.google.com",
	"keycloak":       "https://sso.example.com/realms/acme",
	"kubernetes":     "https://kubernetes.default.svc.cluster.local",
	"okta":           "https://example.okta.com/oauth2/default",
	"spiffe":         "spiffe://example.org",
	"supabase":       "https://example.supabase.co/auth/v1",
	"workos":         "https://api.workos.com/user_management/client_example",
	"zitadel":        "https://example.zitadel.cloud",
}

// publishedKeys is the key set of an issuer in the same process, as it is now.
type publishedKeys struct {
	issuer *Issuer

	mu        sync.Mutex
	published []*Key // what known was made of
	known     *jwks.Static
}

// Lookup implements jwks.Set. It never waits.
func (p *publishedKeys) Lookup(ctx context.Context, hint jwks.Hint) ([]*jwks.Key, error) {
	known, err := p.current()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", jwks.ErrUnavailable, err)
	}
	return known.Lookup(ctx, hint)
}

func (p *publishedKeys) current() (*jwks.Static, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	published := p.issuer.Keys()
	if p.known != nil && slices.Equal(published, p.published) {
		return p.known, nil
	}
	document, err := p.issuer.keySet()
	if err != nil {
		return nil, err
	}
	keys, _, err := jwks.Parse(document)
	if err != nil {
		return nil, err
	}
	known, err := jwks.NewStatic(keys...)
	if err != nil {
		return nil, err
	}
	p.published, p.known = published, known
	return known, nil
}
