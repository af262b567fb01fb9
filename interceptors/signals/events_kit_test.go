package signals_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
)

const (
	transmitterURL = "https://idp.example.com/123456789/"
	eventAudience  = "https://sp.example.com/caep"
	eventType      = "application/secevent+jwt"

	caep  = "https://schemas.openid.net/secevent/caep/event-type/"
	risc  = "https://schemas.openid.net/secevent/risc/event-type/"
	ssf   = "https://schemas.openid.net/secevent/ssf/event-type/"
	oauth = "https://schemas.openid.net/secevent/oauth/event-type/"
)

// eventNow is a minute after the iat of the events of CAEP 1.0.
var eventNow = time.Unix(1615305159, 0).Add(time.Minute)

type object = map[string]any

// A eventSink keeps the messages that it gets.
type eventSink struct {
	mu       sync.Mutex
	fault    error
	messages []signals.Message
}

func (s *eventSink) Revoke(_ context.Context, message signals.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.messages = append(s.messages, message)
	}
	return s.fault
}

func (s *eventSink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *eventSink) taken() []signals.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]signals.Message(nil), s.messages...)
}

// A transmitter of one key serves all tests that do not change it: keys take time to make.
var sharedTransmitter = sync.OnceValue(func() *authtest.Issuer {
	issuer := authtest.New(transmitterURL)
	issuer.Key()
	return issuer
})

// eventKit is a transmitter and a receiver that believes it.
type eventKit struct {
	issuer   *authtest.Issuer
	sink     *eventSink
	config   signals.SecurityEventsConfig
	receiver *signals.Receiver
}

func newEventKit(t testing.TB, change func(*signals.SecurityEventsConfig)) *eventKit {
	t.Helper()
	kit := &eventKit{issuer: sharedTransmitter(), sink: &eventSink{}}
	keys, err := jwks.ParsePEM(kit.issuer.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	kit.config = signals.SecurityEventsConfig{
		Transmitter: transmitterURL, Keys: keys, Audiences: []string{eventAudience},
		Issuers: []signals.EventIssuer{{URL: transmitterURL, SessionsInTokens: true}},
		Sink:    kit.sink, Now: func() time.Time { return eventNow }, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&kit.config)
	}
	kit.receiver, err = signals.NewSecurityEvents(kit.config)
	if err != nil {
		t.Fatal(err)
	}
	return kit
}

// claims are those of the events of CAEP 1.0, with a subject and one event.
func claims(subject object, kind string, payload object) object {
	c := object{
		"iss": transmitterURL, "jti": "24c63fb56e5a2d77a6b512616ca9fa24", "iat": 1615305159, "aud": eventAudience, "txn": "8675309",
		"events": object{kind: payload},
	}
	if subject != nil {
		c["sub_id"] = subject
	}
	return c
}

// with returns claims of which some are others. nil leaves one out.
func with(c object, name string, value any) object {
	c = maps.Clone(c)
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// sign returns the claims as a security event token.
func (k *eventKit) sign(claims object) string { return k.signAs("secevent+jwt", claims) }

func (k *eventKit) signAs(typ string, claims object) string {
	header := object{"alg": "RS256", "kid": k.issuer.Key().ID()}
	if typ != "" {
		header["typ"] = typ
	}
	return k.issuer.Sign(mustJSON(header), mustJSON(claims))
}

// An eventAnswer is what a transmitter is answered.
type eventAnswer struct {
	status            int
	code, description string
}

func (k *eventKit) push(t testing.TB, body string, authorization ...string) eventAnswer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", eventType)
	r.Header["Authorization"] = authorization
	return answerOf(t, k.receiver, r)
}

func answerOf(t testing.TB, receiver http.Handler, r *http.Request) eventAnswer {
	t.Helper()
	w := httptest.NewRecorder()
	receiver.ServeHTTP(w, r)
	answer := eventAnswer{status: w.Code}
	if w.Code == http.StatusAccepted {
		if w.Body.Len() > 0 {
			t.Errorf("answered 202 with the body %q", w.Body)
		}
		return answer
	}
	var said struct{ Err, Description string }
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Language") == "" {
		t.Errorf("answered %d %q with %v; want JSON and a language", w.Code, w.Body, w.Header())
	}
	return eventAnswer{w.Code, said.Err, said.Description}
}
