package auth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A guard is made in one call, and given to the adapter of the transport: connectauth,
// grpcauth or httpauth.
func Example() {
	const export = "/acme.invoice.v1.Files/Export"
	guard, err := ostiary.New(ostiary.Config{
		Issuer:            "https://clerk.example.com",
		AuthorizedParties: []string{"https://app.example.com"},
		Rules:             []policy.Option{policy.Override(export, policy.Authenticated())},
		Logger:            slog.New(slog.DiscardHandler), // by default refusals are logged
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	handler := httpauth.Protect(guard, export, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := auth.MustFromContext(r.Context())
		_, _ = fmt.Fprintln(w, "the invoices of", caller.Subject)
	}))

	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/export", nil))
	fmt.Println(answer.Code)
	// Output: 401
}

// ostiary.New puts these parts together. Do it yourself where you need something else in
// one place: here a key that is not fetched, and a list of what is revoked.
func ExampleGuard_parts() {
	const export = "/acme.invoice.v1.Files/Export"
	issuer := authtest.New("https://clerk.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer.URL(), Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true,
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, err := policy.New(policy.Override(export, policy.Authenticated()))
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := &auth.Guard{
		Authenticator: verifier,
		Policy:        rules,
		Revocations:   revocation.New(revocation.Config{}),
		Observer:      auth.LogRefusals(slog.New(slog.DiscardHandler)),
	}
	defer guard.Close()

	// An adapter asks it about each call.
	for _, bearer := range []string{issuer.Session("user_ada"), issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256")))} {
		header := http.Header{"Authorization": {"Bearer " + bearer}}
		ctx, err := guard.Admit(context.Background(), auth.Call{Procedure: export, Header: header})
		caller, admitted := auth.FromContext(ctx)
		if admitted {
			fmt.Println(caller.Subject)
		} else {
			fmt.Println(err)
		}
	}
	// Output:
	// user_ada
	// SIGNATURE_INVALID: the token's signature does not match; send the token just as it was issued
}

// greet is a handler that goes on for as long as its caller is signed in, and
// sees what changes about them.
func greet(ctx context.Context, send func(string) error) error {
	for {
		id, changed := auth.WatchIdentity(ctx)
		if err := send("hello " + id.Subject + " of " + id.Organization.Slug); err != nil {
			return err
		}
		select {
		case <-changed: // another call of the session has brought a newer token
		case <-ctx.Done(): // the lease has ended, or the client is gone
			return context.Cause(ctx)
		}
	}
}

func ExampleWatchIdentity() {
	id := &auth.Identity{Subject: "ada", Organization: auth.Organization{Slug: "acme"}}
	ctx, cancel := context.WithCancelCause(auth.NewContext(context.Background(), id))
	err := greet(ctx, func(text string) error {
		fmt.Println(text)
		cancel(auth.NewError(auth.TokenRevoked, nil)) // as a lease does
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello ada of acme
	// TOKEN_REVOKED: the session was ended; sign in again
}

// Handlers get the application's own user beside the identity.
func ExampleUser() {
	type account struct{ Name string }
	accounts := map[string]*account{"user_ada": {Name: "Ada"}} // a database
	guard := new(auth.Guard)                                   // or one of ostiary.New
	guard.LoadUser = func(_ context.Context, id *auth.Identity) (any, error) {
		return accounts[id.Subject], nil // a nil *account is refused with USER_UNKNOWN
	}

	handler := func(ctx context.Context) {
		user, ok := auth.User[*account](ctx)
		fmt.Println(user.Name, ok)
	}

	// A test of the handler needs no guard:
	ctx, id := context.Background(), &auth.Identity{Subject: "user_ada"}
	user, err := guard.LoadUser(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler(auth.NewUserContext(ctx, id, user))
	// Output: Ada true
}
