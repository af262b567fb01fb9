package signals_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// Who signs out at Clerk is signed out here.
func ExampleNewClerk() {
	list := revocation.New(revocation.Config{}) // set it in your auth.Guard, as Revocations
	hooks, err := signals.NewClerk(signals.ClerkConfig{
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

// WorkOS signs in a way of its own, and calls the type of an event event.
func ExampleNewWebhooks() {
	hooks, err := signals.NewWebhooks(signals.WebhookConfig{
		Name:      "workos",
		Issuer:    "https://api.workos.com/user_management/client_01",
		Signature: signals.SignatureWorkOS,
		Secrets:   []string{"as the dashboard shows it"},
		TypePath:  "event",
		IDPath:    "id",
		TimePath:  "created_at",
		Events: []signals.EventMapping{
			{Event: "session.revoked", Session: "data.id"},
			{Event: "user.deleted", Subject: "data.id", AllTokens: true},
		},
		Sink: signals.ToList(revocation.New(revocation.Config{})),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("waiting for", hooks.Status().Source)
	// Output: waiting for workos
}
