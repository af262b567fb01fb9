package interceptors_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// The methods of each service, one for each shape of a call.
const (
	unary        = "Unary"
	get          = "Get" // unary, without side effects
	clientStream = "ClientStream"
	serverStream = "ServerStream"
	bidiStream   = "BidiStream"
	plain        = "HTTP" // an ordinary handler
)

func procedure(service, method string) string { return "/ostiary.test.v1." + service + "/" + method }

// A service answers every method with who calls and what they sent.
type service struct {
	ran   atomic.Int32
	inner *auth.Guard // a second guard behind the first; nil where there is none
}

func (s *service) answer(ctx context.Context, sent string) string {
	s.ran.Add(1)
	if id, ok := auth.FromContext(ctx); ok {
		return id.Subject + " " + sent
	}
	return nobody + " " + sent
}

func (s *service) echo(ctx context.Context, in *text) (*text, error) {
	return wrapperspb.String(s.answer(ctx, in.GetValue())), nil
}

const (
	ada    = "user_ada"
	nobody = "nobody"

	party    = "https://app.example.com"
	audience = "https://api.example.com"
)

// A kit is four issuers and the clock that they share with the server.
type kit struct {
	now   time.Time
	clerk *authtest.Issuer // session tokens for party
	oidc  *authtest.Issuer // every algorithm, for audience
	wide  *authtest.Issuer // OAuth and machine tokens as well
	down  *authtest.Issuer // whose keys cannot be had
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for _, issuer := range []**authtest.Issuer{&k.clerk, &k.oidc, &k.wide, &k.down} {
		*issuer = authtest.Start(t, authtest.WithNow(func() time.Time { return k.now }))
	}
	k.down.Fail(authtest.Status(500))
	return k
}

// guard returns a real guard. Keys that are made later take a while to be seen,
// so call it once the tokens are there.
func (k *kit) guard(t *testing.T) *auth.Guard {
	t.Helper()
	keys := func(issuer *authtest.Issuer) jwks.Set {
		remote, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer.JWKSURL(), Now: k.clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := remote.Close(); err != nil {
				t.Error(err)
			}
		})
		return remote
	}
	verifier, err := token.New(token.Config{Now: k.clock, Issuers: []token.Issuer{
		{URL: k.clerk.URL(), Keys: keys(k.clerk), Profile: token.Clerk(), AuthorizedParties: []string{party}},
		{URL: k.oidc.URL(), Keys: keys(k.oidc), Profile: token.OIDC(), Audiences: []string{audience}},
		{
			URL: k.wide.URL(), Keys: keys(k.wide), Profile: token.Clerk(), AllowAnyAudience: true,
			Kinds: []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine},
		},
		{URL: k.down.URL(), Keys: keys(k.down), Profile: token.Clerk(), AllowAnyAudience: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Guard{Authenticator: verifier, Policy: compile(t), Now: k.clock}
}

// observed returns a guard like this one with an observer.
func observed(guard *auth.Guard, observer auth.Observer) *auth.Guard {
	return &auth.Guard{
		Authenticator: guard.Authenticator, Policy: guard.Policy, Revocations: guard.Revocations, Now: guard.Now, Observer: observer,
	}
}

func (k *kit) clock() time.Time { return k.now }

// session returns a session token of ada's that is accepted, or what the edits
// make of it.
func (k *kit) session(edits ...authtest.Edit) string {
	return k.clerk.Session(ada, append([]authtest.Edit{authtest.With("azp", party)}, edits...)...)
}

// access returns a token of the OpenID Connect provider's that is accepted, or
// what the edits make of it.
func (k *kit) access(edits ...authtest.Edit) string {
	return k.oidc.OIDC(ada, append([]authtest.Edit{authtest.With("aud", audience)}, edits...)...)
}

// forged returns a token that names a published key and was signed with another.
func (k *kit) forged() string {
	return k.session(authtest.SignedBy(authtest.NewKey("RS256").WithID(k.clerk.Key().ID())))
}
