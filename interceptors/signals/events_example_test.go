package signals_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// A transmitter says that the sessions of a user are over, and the guard refuses its tokens.
func ExampleNewSecurityEvents() {
	transmitter := authtest.New("https://idp.example.com")
	keys, err := jwks.ParsePEM(transmitter.PublicPEM())
	if err != nil {
		panic(err)
	}
	list := revocation.New(revocation.Config{}) // the guard's
	events, err := signals.NewSecurityEvents(signals.SecurityEventsConfig{
		Transmitter:    "https://idp.example.com",
		Keys:           keys, // jwks.NewRemote with the jwks_uri of the transmitter's metadata
		Audiences:      []string{"https://api.example.com"},
		Issuers:        []signals.EventIssuer{{URL: "https://idp.example.com"}},
		Authorizations: []string{"Bearer 8qx0kfbvYb3mF1Zz"}, // the authorization_header that it was given
		Sink:           signals.ToList(list),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /signals/idp", events)

	request := httptest.NewRequest(http.MethodPost, "/signals/idp", strings.NewReader(transmitter.Sign(
		[]byte(`{"alg":"RS256","typ":"secevent+jwt"}`),
		[]byte(`{"iss":"https://idp.example.com","jti":"1","iat":1780000000,"aud":"https://api.example.com",
			"sub_id":{"format":"iss_sub","iss":"https://idp.example.com","sub":"user_ada"},
			"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}}`),
	)))
	request.Header.Set("Content-Type", "application/secevent+jwt")
	request.Header.Set("Authorization", "Bearer 8qx0kfbvYb3mF1Zz")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	reason, _ := auth.ReasonOf(list.Revoked(&auth.Identity{Issuer: "https://idp.example.com", Subject: "user_ada"}))
	fmt.Println(reason)
	// Output:
	// 202
	// TOKEN_REVOKED
}

// The event is fetched from the transmitter, and acknowledged once it is in force.
func ExampleNewPoller() {
	kit := newExampleKit()
	events := kit.events
	tokens := authclient.StaticToken("in a program: authclient.ClientCredentials")
	client := &http.Client{Transport: kit.queue}

	poller, err := signals.NewPoller(signals.PollConfig{
		Events: events, URL: "https://idp.example.com/ssf/poll/1", TokenSource: tokens, HTTPClient: client,
	})
	if err != nil {
		panic(err)
	}
	go poller.Run(context.Background())
	fmt.Println(<-kit.revoked)
	fmt.Println(poller.Close())
	// Output:
	// the tokens of user_ada
	// <nil>
}

// The stream is created at the transmitter, which then shows that it works.
func ExampleNewStream() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tokens := authclient.StaticToken("in a program: authclient.ClientCredentials with the scope ssf.manage")
	asked := make(chan struct{})
	client := exampleTransmitter(asked)

	transmitter, err := signals.DiscoverTransmitter(ctx, client, "https://idp.example.com")
	if err != nil {
		panic(err)
	}
	stream, err := signals.NewStream(signals.StreamConfig{
		Transmitter:       transmitter,
		TokenSource:       tokens,
		PushURL:           "https://api.example.com/signals/idp", // leave it out to fetch events
		PushAuthorization: "Bearer 8qx0kfbvYb3mF1Zz",
		HTTPClient:        client,
	})
	if err != nil {
		panic(err)
	}
	go stream.Run(ctx)
	<-asked // and the event comes to the receiver
	fmt.Println(stream.Status().ID, stream.Status().Status)
	// Output: f67e39a0 enabled
}

// exampleKit is a transmitter with one event in the queue.
type exampleKit struct {
	events  signals.SecurityEventsConfig
	queue   *pollQueue
	revoked chan string
}

func (k *exampleKit) Revoke(_ context.Context, message signals.Message) error {
	k.revoked <- "the tokens of " + message.Revocations[0].ID
	return nil
}

func newExampleKit() *exampleKit {
	issuer := authtest.New("https://idp.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		panic(err)
	}
	kit := &exampleKit{queue: newPollQueue(), revoked: make(chan string, 1)}
	kit.events = signals.SecurityEventsConfig{
		Transmitter: "https://idp.example.com", Keys: keys, Audiences: []string{"https://api.example.com"},
		Issuers: []signals.EventIssuer{{URL: "https://idp.example.com"}}, Sink: kit, Logger: slog.New(slog.DiscardHandler),
	}
	kit.queue.add("1", issuer.Sign([]byte(`{"alg":"RS256","typ":"secevent+jwt"}`), []byte(`{"iss":"https://idp.example.com","jti":"1","iat":1780000000,
		"aud":"https://api.example.com","sub_id":{"format":"iss_sub","iss":"https://idp.example.com","sub":"user_ada"},
		"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}}`)))
	return kit
}

// exampleTransmitter returns a client of a transmitter, which says when it is asked for a
// verification event.
func exampleTransmitter(asked chan<- struct{}) *http.Client {
	const root = "https://idp.example.com"
	m := newManagement()
	m.routes["GET /.well-known/ssf-configuration"] = always(http.StatusOK, object{
		"issuer": root, "jwks_uri": root + "/jwks", "configuration_endpoint": root + "/streams", "status_endpoint": root + "/status", "verification_endpoint": root + "/verify",
	})
	m.routes["POST /streams"] = always(http.StatusCreated, pushed(object{"iss": root}))
	m.routes["POST /verify"] = func(object) reply {
		close(asked)
		return reply{status: http.StatusNoContent}
	}
	return &http.Client{Transport: m}
}
