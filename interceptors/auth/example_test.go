package auth_test

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/interceptors/auth"
)

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
		user, found := accounts[id.Subject]
		if !found {
			return nil, &auth.Error{Reason: auth.ConditionNotMet, Message: "there is no account here yet; sign up first"}
		}
		return user, nil
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
