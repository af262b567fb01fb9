package revocation_test

import (
	"fmt"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

func Example() {
	list := revocation.New(revocation.Config{})
	id := &auth.Identity{Issuer: "https://clerk.example.com", Subject: "user_ada", SessionID: "sess_1", IssuedAt: time.Now()}
	fmt.Println(list.Revoked(id))

	err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: id.Issuer, ID: id.SessionID})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(list.Revoked(id))
	// Output:
	// <nil>
	// TOKEN_REVOKED: the session was ended; sign in again
}
