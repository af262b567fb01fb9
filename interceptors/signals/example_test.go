package signals_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// Who signs out at Clerk is signed out here.
func ExampleClerk() {
	list := revocation.New(revocation.Config{}) // set it in your auth.Guard, as Revocations
	hooks, err := signals.Clerk(signals.ClerkConfig{
		Issuer:  "https://clerk.example.com",
		Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, // CLERK_WEBHOOK_SIGNING_SECRET
		Sink:    signals.ToList(list),
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /signals/clerk", hooks)
	fmt.Println("waiting for", hooks.Status().Source)
	// Output: waiting for clerk
}
