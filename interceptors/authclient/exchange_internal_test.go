package authclient

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// everyone is a guard's Authenticator, Policy and Revocations, of callers who are named
// by their tokens.
type everyone struct{ revoked string }

func (*everyone) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	token, err := auth.BearerToken(call.Header)
	return &auth.Identity{Subject: token}, err
}
func (e *everyone) Rule(string) auth.Rule    { return e }
func (*everyone) Check(*auth.Identity) error { return nil }
func (*everyone) Watch(func()) (stop func()) { return func() {} }
func (e *everyone) Revoked(id *auth.Identity) error {
	if id.Subject == e.revoked {
		return auth.NewError(auth.TokenRevoked, nil)
	}
	return nil
}

func TestExchangedTokensAreDroppedAndBounded(t *testing.T) {
	t.Parallel()
	callers := new(everyone)
	guard := &auth.Guard{Authenticator: callers, Policy: callers, Revocations: callers}
	call := func(token string) context.Context {
		ctx, err := guard.Admit(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			t.Fatal(err)
		}
		return ctx
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := &exchanges{
		request: &tokenRequest{endpoint: TokenEndpoint{Now: func() time.Time { return now }}},
		limit:   4, byToken: make(map[[32]byte]*exchange),
	}
	ada := e.of(call("ada"), "ada")
	if e.of(call("ada"), "ada") != ada || e.of(call("bob"), "bob") == ada {
		t.Error("callers share what is kept, or one does not find it again")
	}
	callers.revoked = "ada"
	now = now.Add(time.Second)
	e.of(call("eve"), "eve")
	if len(e.byToken) != 2 {
		t.Errorf("%d are kept; want those of bob and eve", len(e.byToken))
	}
	for i := range 10 {
		caller := fmt.Sprint("caller-", i)
		if added := e.of(call(caller), caller); e.of(call(caller), caller) != added || len(e.byToken) > 4 {
			t.Errorf("%d are kept; want at most 4, and the newest among them", len(e.byToken))
		}
	}
}
