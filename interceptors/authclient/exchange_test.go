package authclient_test

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// A callee is a guarded service whose callers are named by their tokens, which live for
// two hours.
type callee struct {
	*auth.Guard
	*tokenServer

	revoked map[string]bool
}

func newCallee(t *testing.T) *callee {
	t.Helper()
	c := &callee{tokenServer: newTokenServer(t), revoked: make(map[string]bool)}
	began := c.clock()
	c.Guard = &auth.Guard{Policy: admitting{}, Revocations: c, Now: c.clock, Authenticator: authenticating(func(call auth.Call) (*auth.Identity, error) {
		token, err := auth.BearerToken(call.Header)
		return &auth.Identity{Subject: token, ExpiresAt: began.Add(2 * time.Hour)}, err
	})}
	return c
}

type authenticating func(auth.Call) (*auth.Identity, error)

func (f authenticating) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	return f(call)
}

func (c *callee) Revoked(id *auth.Identity) error {
	if c.revoked[id.Subject] {
		return auth.NewError(auth.TokenRevoked, nil)
	}
	return nil
}

func (*callee) Watch(func()) (stop func()) { return func() {} }

// call returns the context of a call with this token.
func (c *callee) call(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, err := c.Admit(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func newExchange(t *testing.T, endpoint authclient.TokenEndpoint, target authclient.TokenTarget) authclient.TokenSource {
	t.Helper()
	source, err := authclient.ExchangeCaller(endpoint, target)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func assertExchanged(ctx context.Context, t *testing.T, source authclient.TokenSource, want string) {
	t.Helper()
	if got, err := source.Token(ctx); got != want || err != nil {
		t.Errorf("Token = %q, %v; want %q", got, err, want)
	}
}

func TestExchangeCallerSendsTheCallersToken(t *testing.T) {
	t.Parallel()
	c := newCallee(t)
	source := newExchange(t, c.endpoint(), authclient.TokenTarget{Audience: "invoices", Scopes: []string{"read"}})
	assertExchanged(c.call(t, "ada"), t, source, "token-1")
	want := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {"invoices"}, "scope": {"read"},
		"subject_token": {"ada"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	if got := c.lastForm(); !reflect.DeepEqual(got, want) || c.users[0] != "billing:"+secret {
		t.Errorf("sent %v as %s; want %v", got, c.users[0], want)
	}

	endpoint := c.endpoint()
	endpoint.Parameters = url.Values{"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}}
	assertExchanged(c.call(t, "ada"), t, newExchange(t, endpoint, authclient.TokenTarget{}), "token-2")
	if got := c.lastForm().Get("subject_token_type"); got != "urn:ietf:params:oauth:token-type:jwt" {
		t.Errorf("the type of the token is %q", got)
	}
}

func TestExchangedTokensAreKeptForEachTokenOfACaller(t *testing.T) {
	t.Parallel()
	c := newCallee(t)
	source := newExchange(t, c.endpoint(), authclient.TokenTarget{Audience: "invoices"})
	other := newExchange(t, c.endpoint(), authclient.TokenTarget{Audience: "orders"})
	ada, bob := c.call(t, "ada"), c.call(t, "bob")
	for range 2 {
		assertExchanged(ada, t, source, "token-1")
		assertExchanged(bob, t, source, "token-2")
		assertExchanged(c.call(t, "ada"), t, source, "token-1")
		assertExchanged(ada, t, other, "token-3")
	}
	c.pass(59*time.Minute + 30*time.Second)
	assertExchanged(ada, t, source, "token-4")

	c.answers(unavailable)
	assertExchanged(ada, t, source, "token-4")
	if token, err := source.Token(c.call(t, "eve")); err == nil {
		t.Errorf("gave eve %q", token)
	}
	assertExchanged(bob, t, source, "token-2") // a failure of one caller's is no other's
}

func TestNobodyGetsATokenForACallerWhoNoLongerCounts(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]func(*callee) authclient.TokenSource{
		"ExchangeCaller": func(c *callee) authclient.TokenSource {
			return newExchange(t, c.endpoint(), authclient.TokenTarget{Audience: "invoices"})
		},
		"RelayCaller": func(*callee) authclient.TokenSource { return authclient.RelayCaller() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCallee(t)
			source := source(c)
			refused := func(ctx context.Context, want auth.Reason) {
				t.Helper()
				if token, err := source.Token(ctx); token != "" || !isReason(err, want) {
					t.Errorf("gave %q, %v; want %v", token, err, want)
				}
			}
			ada, bob := c.call(t, "ada"), c.call(t, "bob")
			for _, ctx := range []context.Context{ada, bob} {
				if _, err := source.Token(ctx); err != nil {
					t.Fatal(err)
				}
			}
			c.revoked["ada"] = true
			refused(ada, auth.TokenRevoked)
			if _, err := source.Token(bob); err != nil {
				t.Errorf("bob is refused too: %v", err)
			}
			c.pass(2 * time.Hour)
			refused(bob, auth.TokenExpired)
		})
	}
}

func isReason(err error, want auth.Reason) bool {
	reason, ok := auth.ReasonOf(err)
	return ok && reason == want
}

func TestWithoutACallerThereIsNothingToExchange(t *testing.T) {
	t.Parallel()
	c := newCallee(t)
	source := newExchange(t, c.endpoint(), authclient.TokenTarget{})
	for name, ctx := range map[string]context.Context{
		"outside a call":                   t.Context(),
		"in a context made without a call": auth.NewContext(t.Context(), &auth.Identity{Subject: "ada"}),
		"in an anonymous call":             auth.NewContext(t.Context(), nil),
	} {
		if token, err := source.Token(ctx); err == nil || token != "" {
			t.Errorf("%s: gave %q", name, token)
		}
	}
	if got := c.requests(); got != 0 {
		t.Errorf("%d requests; want none", got)
	}
}
