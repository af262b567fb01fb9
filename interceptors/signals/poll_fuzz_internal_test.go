package signals

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/jwks"
)

// A cannedAnswer answers every request with the same text.
type cannedAnswer string

func (c cannedAnswer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

// FuzzPollAnswer answers a poll with events that nobody has signed.
func FuzzPollAnswer(f *testing.F) {
	f.Add(`{"sets":{}}`)
	f.Add(`{"sets":{"1":"eyJhbGciOiJSUzI1NiIsInR5cCI6InNlY2V2ZW50K2p3dCJ9.e30.AA","2":7,"":null},"moreAvailable":true}`)
	f.Add(`{"sets":{"` + strings.Repeat("x", 2000) + `":"` + strings.Repeat(".", 2000) + `"}}`)
	f.Add(`{"sets":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		sink := sinkFunc(func(context.Context, Message) error { t.Error("something is revoked"); return nil })
		poller, err := NewPoller(PollConfig{
			URL: "https://idp.example.com/poll", HTTPClient: &http.Client{Transport: cannedAnswer(text)}, MaxEvents: 3,
			Events: SecurityEventsConfig{
				Transmitter: "https://idp.example.com", Keys: new(jwks.Static), Audiences: []string{"x"}, Issuers: []EventIssuer{{URL: tokenIssuer}},
				Sink: sink, Logger: slog.New(slog.DiscardHandler),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		sets, _, err := poller.poll(t.Context(), pollReport{})
		if err != nil {
			return
		}
		due, err := poller.take(t.Context(), sets)
		if err != nil || len(due.Acknowledged) > 0 || len(due.Errors) != len(sets) || len(sets) > 3 {
			t.Errorf("reported %+v of %d sets, %v", due, len(sets), err)
		}
	})
}

// FuzzTransmitter answers with metadata, or with a stream, that lead somewhere else.
func FuzzTransmitter(f *testing.F) {
	f.Add(`{"issuer":"https://idp.example.com","jwks_uri":"https://idp.example.com/jwks","status_endpoint":"http://idp.example.com/status"}`)
	f.Add(`{"issuer":"https://idp.example.com","configuration_endpoint":"https://me@idp.example.com/#x","critical_subject_members":["user",7]}`)
	f.Add(`{"stream_id":"1","iss":"https://idp.example.com","aud":["x"],"delivery":{"method":"urn:ietf:rfc:8936","endpoint_url":"http://localhost.example.com"},"min_verification_interval":1e300}`)
	f.Add(`[{"stream_id":"1"},7,{"delivery":[]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		const root = "https://idp.example.com"
		client := &http.Client{Transport: cannedAnswer(text)}
		found, err := DiscoverTransmitter(t.Context(), client, root)
		if err == nil {
			if found.Issuer != root {
				t.Errorf("it is the transmitter %q", found.Issuer)
			}
			for _, place := range []string{found.KeySetURL, found.ConfigurationURL, found.StatusURL, found.VerificationURL} {
				if place != "" && checkURL("it", place) != nil {
					t.Errorf("it leads to %q", place)
				}
			}
		}
		stream, err := NewStream(StreamConfig{
			Transmitter: Transmitter{Issuer: root, ConfigurationURL: root}, HTTPClient: client, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.open(t.Context()); err != nil {
			return
		}
		if checkURL("it", stream.pollURL(t.Context())) != nil || stream.Status().ID == "" || len(stream.audience()) == 0 || stream.interval() < 0 {
			t.Errorf("the stream is %+v at %q for %q", stream.Status(), stream.endpoint, stream.audience())
		}
	})
}
