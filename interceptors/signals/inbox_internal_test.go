package signals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

const issuer = "https://clerk.example.com"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A sinkFunc is a Sink.
type sinkFunc func(context.Context, Message) error

func (f sinkFunc) Revoke(ctx context.Context, message Message) error { return f(ctx, message) }

// ended says that a session has ended two seconds ago.
func ended(id, session string) Message {
	return Message{ID: id, Type: "session.ended", Issuer: issuer, Time: now.Add(-2 * time.Second), Revocations: []revocation.Revocation{
		{Kind: revocation.TargetSession, Issuer: issuer, ID: session},
	}}
}

func newTestInbox(sink Sink) *inbox {
	return newInbox("test", sink, func() time.Time { return now }, slog.New(slog.DiscardHandler))
}

func TestAMessageIsTakenOnce(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{Now: func() time.Time { return now }})
	b := newTestInbox(ToList(list))
	for range 2 {
		if err := b.take(t.Context(), ended("msg_1", "sess_1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.take(t.Context(), Message{ID: "msg_2", Type: "email.created"}); err != nil {
		t.Fatal(err)
	}
	if reason, _ := auth.ReasonOf(list.Revoked(&auth.Identity{Issuer: issuer, SessionID: "sess_1"})); reason != auth.TokenRevoked {
		t.Error("the session is not revoked")
	}
	want := Status{Source: "test", Accepted: 1, Repeated: 1, Ignored: 1, LastMessage: now, LastAccepted: now, Lag: 2 * time.Second}
	if got := b.Status(); got != want {
		t.Errorf("Status = %+v; want %+v", got, want)
	}
}

func TestAMessageThatWasNotStoredComesAgain(t *testing.T) {
	t.Parallel()
	fault := errors.New("the disk is full")
	stored := 0
	b := newTestInbox(sinkFunc(func(context.Context, Message) error {
		if fault == nil {
			stored++
		}
		return fault
	}))
	if err := b.take(t.Context(), ended("msg_1", "sess_1")); !errors.Is(err, fault) {
		t.Errorf("take = %v; want %v", err, fault)
	}
	fault = nil
	if err := b.take(t.Context(), ended("msg_1", "sess_1")); err != nil || stored != 1 {
		t.Errorf("the second time: %v, stored %d times; want once", err, stored)
	}
	if got := b.Status(); got.Failed != 1 || got.Accepted != 1 || got.LastError != "the disk is full" {
		t.Errorf("Status = %+v", got)
	}
}

func TestWhatIsRememberedOfMessagesIsBounded(t *testing.T) {
	t.Parallel()
	b := newTestInbox(sinkFunc(func(context.Context, Message) error { return nil }))
	for i := range 3 * maxRemembered {
		if err := b.take(t.Context(), ended(fmt.Sprint("msg_", i), "sess_1")); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.known) != maxRemembered || len(b.order) != maxRemembered {
		t.Errorf("%d messages are known, %d in order; want %d", len(b.known), len(b.order), maxRemembered)
	}
	if _, known := b.known[digestOf(ended(fmt.Sprint("msg_", 3*maxRemembered-1), "sess_1"))]; !known {
		t.Error("the latest is not known")
	}
}

func TestAMessageMustNotBeTooLarge(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxIDBytes+1)
	for name, edit := range map[string]func(*Message){
		"no id":                                  func(m *Message) { m.ID = "" },
		"a long id":                              func(m *Message) { m.ID = long },
		"an id of two lines":                     func(m *Message) { m.ID = "msg_1\nlevel=INFO" },
		"a session that PostgreSQL cannot store": func(m *Message) { m.Revocations[0].ID = "sess_\x00" },
		"a session that is no text":              func(m *Message) { m.Revocations[0].ID = "sess_\xff" },
		"a long type":                            func(m *Message) { m.Type = long },
		"a long session":                         func(m *Message) { m.Revocations[0].ID = long },
		"a long subject":                         func(m *Message) { m.Revocations[0].Subject = long },
		"too much":                               func(m *Message) { m.Revocations = make([]revocation.Revocation, maxRevocations+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := ended("msg_1", "sess_1")
			edit(&message)
			b := newTestInbox(sinkFunc(func(context.Context, Message) error { t.Error("it was stored"); return nil }))
			err := b.take(t.Context(), message)
			if refused, ok := errors.AsType[*refusal](err); !ok || refused.status != http.StatusBadRequest {
				t.Errorf("take = %v; want a refusal", err)
			}
		})
	}
}

// testReceiver takes bodies that are the name of a session.
func testReceiver(sink Sink) *Receiver {
	return newReceiver(newTestInbox(sink), protocol{
		mediaType: "application/json",
		read: func(_ context.Context, _ http.Header, body []byte) (Message, error) {
			if string(body) == "forged" {
				return Message{}, &refusal{status: http.StatusUnauthorized, message: "the signature does not match"}
			}
			return ended("msg_1", string(body)), nil
		},
		accept: func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		refuse: func(w http.ResponseWriter, r *refusal) { http.Error(w, r.message, r.status) },
	})
}

func TestAReceiverAnswers(t *testing.T) {
	t.Parallel()
	working := sinkFunc(func(context.Context, Message) error { return nil })
	broken := sinkFunc(func(context.Context, Message) error { return errors.New("the disk is full") })
	for name, tt := range map[string]struct {
		method, contentType, body string
		sink                      Sink
		want                      int
	}{
		"a message":                {http.MethodPost, "application/json; charset=utf-8", "sess_1", working, http.StatusNoContent},
		"a forged one":             {http.MethodPost, "application/json", "forged", working, http.StatusUnauthorized},
		"another method":           {http.MethodGet, "application/json", "sess_1", working, http.StatusMethodNotAllowed},
		"another type":             {http.MethodPost, "text/plain", "sess_1", working, http.StatusUnsupportedMediaType},
		"no type":                  {http.MethodPost, "", "sess_1", working, http.StatusUnsupportedMediaType},
		"a body that is too large": {http.MethodPost, "application/json", strings.Repeat("x", maxBodyBytes+1), working, http.StatusRequestEntityTooLarge},
		"one that is not stored":   {http.MethodPost, "application/json", "sess_1", broken, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			w := httptest.NewRecorder()
			testReceiver(tt.sink).ServeHTTP(w, r)
			if w.Code != tt.want || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d, %v; want %d and no-store", w.Code, w.Header(), tt.want)
			}
			if strings.Contains(w.Body.String(), "disk") {
				t.Errorf("the sender learns %q", w.Body)
			}
		})
	}
}

func TestUntilWhenTokensAreRevoked(t *testing.T) {
	t.Parallel()
	const late, none = "yet to happen", "does not say when it happened"
	for name, tt := range map[string]struct {
		happened, want time.Time
		fault          string
	}{
		"within a second":             {happened: now, want: now.Truncate(time.Second).Add(2 * time.Second)},
		"at the beginning of one":     {happened: now.Truncate(time.Second), want: now.Truncate(time.Second).Add(2 * time.Second)},
		"as far ahead as clocks are":  {happened: now.Add(signatureTolerance), want: now.Add(signatureTolerance).Truncate(time.Second).Add(2 * time.Second)},
		"further ahead":               {happened: now.Add(signatureTolerance + 1), fault: late},
		"in the year 9999":            {happened: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), fault: late},
		"at no time":                  {fault: none},
		"at 0":                        {happened: time.Unix(0, 0), fault: none},
		"two seconds before no time":  {happened: time.Time{}.Add(-2 * time.Second), fault: none}, // which would be no limit at all
		"in the year 0":               {happened: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), fault: none},
		"when there was no token yet": {happened: earliest.Add(-1), fault: none},
	} {
		got, err := issuedUntil(tt.happened, now)
		if tt.fault == "" && (err != nil || !got.Equal(tt.want)) || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: %v, %v; want %v, error %q", name, got, err, tt.want, tt.fault)
		}
	}
}

func TestAReceiverWhoseSecretsAreReplacedGoesOnCounting(t *testing.T) {
	t.Parallel()
	var sink recorder
	receiver := newClerk(t, &sink, nil)
	body := event("session.ended", `{"object":"session","id":"sess_1"}`)
	post(t, receiver, sign(svix, "msg_1", body), body)
	receiver.Replace(newClerk(t, &sink, func(c *ClerkConfig) { c.Secrets = []string{"whsec_" + strings.Repeat("b", 32)} }))
	if w := post(t, receiver, sign(svix, "msg_2", body), body); w.Code != http.StatusUnauthorized {
		t.Errorf("with the secret of before it is answered %d; want 401", w.Code)
	}
	receiver.Replace(newClerk(t, &sink, nil))
	post(t, receiver, sign(svix, "msg_1", body), body)
	if got := receiver.Status(); got.Accepted != 1 || got.Refused != 1 || got.Repeated != 1 {
		t.Errorf("Status = %+v; want one accepted, one refused and one repeated", got)
	}
}
