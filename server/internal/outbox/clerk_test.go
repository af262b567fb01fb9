package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWhatClerkAnswers(t *testing.T) {
	t.Parallel()
	page := func(status int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>" + secretKey))
			return true
		}
	}
	temporary := errors.New("any error that is neither ErrRefused nor ErrCredential")
	for name, test := range map[string]struct {
		id string
		// subject is whose it must be.
		subject string
		before  func(http.ResponseWriter, *http.Request) bool
		want    error
		after   time.Duration // of a *RetryAfterError
		text    string
	}{
		"a session of the subject is ended":                  {id: "sess_active", subject: someSubject},
		"one of another subject is not":                      {id: "sess_active", subject: "user_eve", want: ErrRefused, text: "the session of another user"},
		"one of another subject that has ended is no matter": {id: "sess_revoked", subject: "user_eve"},
		"one of a subject that Clerk does not know is gone":  {id: "sess_unknown", subject: someSubject},
		"a wrong key cannot ask whose it is":                 {id: "sess_active", subject: someSubject, before: always(401), want: ErrCredential},
		"one whose revocation Clerk cannot take goes on":     {id: "sess_stubborn", subject: someSubject, want: ErrRefused, text: "status 400"},
		"a session that goes on is ended":                    {id: "sess_active"},
		"one that was revoked before has ended":              {id: "sess_revoked"},
		"one that has expired has ended":                     {id: "sess_expired"},
		"one that Clerk does not know has ended":             {id: "sess_unknown"},
		"one that has not begun goes on":                     {id: "sess_pending", want: ErrRefused, text: "status 400, code session_not_active, clerk_trace_id trace1"},
		"an id with a slash is not sent":                     {id: "sess_active/../../users/user_1/ban?", want: ErrRefused, text: "not one of Clerk's"},
		"an empty id is not sent":                            {id: "", want: ErrRefused, text: "not one of Clerk's"},
		"a wrong key is not the session's fault":             {id: "sess_active", before: always(401), want: ErrCredential, text: "status 401, code some_code"},
		"neither is one that may not":                        {id: "sess_active", before: always(403), want: ErrCredential, text: "status 403"},
		"too many requests say when to try again":            {id: "sess_active", before: always(429, "Retry-After", "7"), want: temporary, after: 7 * time.Second, text: "status 429"},
		"too many requests may not say when":                 {id: "sess_active", before: always(429), want: temporary, after: 10 * time.Second},
		"a date far away is cut":                             {id: "sess_active", before: always(429, "Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"), want: temporary, after: time.Hour},
		"a number far away is cut":                           {id: "sess_active", before: always(429, "Retry-After", "100000"), want: temporary, after: time.Hour},
		"what is no number says nothing":                     {id: "sess_active", before: always(429, "Retry-After", "-3"), want: temporary, after: 10 * time.Second},
		"a fault of Clerk's is temporary":                    {id: "sess_active", before: always(500), want: temporary, text: "status 500, code some_code"},
		"maintenance says when it ends":                      {id: "sess_active", before: always(503, "Retry-After", "60"), want: temporary, after: time.Minute},
		"a gateway's page is temporary":                      {id: "sess_active", before: page(502), want: temporary, text: "the answer has status 502"},
		"a page that says not found is none of Clerk's":      {id: "sess_active", before: page(404), want: temporary, text: "check api_url"},
		"a page that says all is well is none of Clerk's":    {id: "sess_active", before: page(200), want: temporary, text: "check api_url"},
		"no redirect is followed":                            {id: "sess_active", before: page(307, "Location", "/elsewhere"), want: temporary, text: "check api_url"},
		"what Clerk cannot do is refused":                    {id: "sess_active", before: always(410), want: ErrRefused, text: "status 410"},
		"a text with control characters is not repeated": {id: "sess_active", want: temporary, before: func(w http.ResponseWriter, _ *http.Request) bool {
			answerError(w, 500, "a\nb")
			return true
		}, text: "status 500, clerk_trace_id"},
		"a connection that breaks is temporary": {id: "sess_active", want: temporary, before: func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
		"an answer that breaks off is temporary": {id: "sess_active", want: temporary, before: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"status": "revoked"`))
			return true
		}, text: "read Clerk's answer with status 200"},
		"an answer without end is not read to it": {id: "sess_active", want: temporary, before: func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = fmt.Fprintf(w, `{"status": "revoked", "x": "%s"}`, strings.Repeat("x", maxAnswer))
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeClerk(t, "sess_active")
			f.sessions["sess_stubborn"] = "active"
			f.sessions["sess_revoked"], f.sessions["sess_expired"], f.sessions["sess_pending"] = "revoked", "expired", "pending"
			f.set(test.before)
			err := f.clerk(t).EndSession(t.Context(), Session{ID: test.id, Subject: test.subject})
			is := err
			if err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrCredential) {
				is = temporary
			}
			if !errors.Is(is, test.want) {
				t.Fatalf("%v; want %v", err, test.want)
			}
			var retry *RetryAfterError
			if errors.As(err, &retry) != (test.after != 0) || retry != nil && retry.Delay != test.after {
				t.Errorf("%v: try again after %v; want %v", err, retry, test.after)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), secretKey) || strings.ContainsAny(err.Error(), "\n<") {
				t.Errorf("%q; want %q, and neither the key nor the answer in it", err, test.text)
			}
		})
	}
}

func TestAKeyOfAnotherInstanceEndsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ofSecret, ofIssuer string
		want               error
	}{
		"the same":             {`{"keys": [{"kid": "ins_1"}]}`, `{"keys": [{"kid": "ins_0"}, {"kid": "ins_1"}]}`, nil},
		"another":              {`{"keys": [{"kid": "ins_2"}]}`, `{"keys": [{"kid": "ins_1"}]}`, ErrCredential},
		"a server without one": {`{}`, `{"keys": [{"kid": "ins_1"}]}`, nil},
		"an issuer without":    {`{"keys": [{"kid": "ins_2"}]}`, `<html>`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeClerk(t, "sess_1")
			f.set(func(w http.ResponseWriter, r *http.Request) bool {
				body := map[string]string{"/v1/jwks": test.ofSecret, "/issuer/jwks.json": test.ofIssuer}[r.URL.Path]
				if r.URL.Path == "/issuer/jwks.json" && r.Header.Get("Authorization") != "" {
					t.Error("the issuer got the secret key")
				}
				if body == "" {
					return false
				}
				_, _ = w.Write([]byte(body))
				return true
			})
			c := NewClerk(ClerkConfig{SecretKey: secretKey, URL: f.URL, KeysURL: f.URL + "/issuer/jwks.json"})
			t.Cleanup(c.Close)
			for _, subject := range []string{someSubject, ""} {
				if err := c.EndSession(t.Context(), Session{ID: "sess_unknown", Subject: subject}); !errors.Is(err, test.want) {
					t.Errorf("%v; want %v", err, test.want)
				}
			}
		})
	}
}

func TestWhatClerkSaysOfASession(t *testing.T) {
	t.Parallel()
	sameKeys := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/jwks" && r.URL.Path != "/issuer/jwks.json" {
			return false
		}
		answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{"kid": "ins_1"}}})
		return true
	}
	for name, test := range map[string]struct {
		id      string
		status  string
		ended   bool
		err     error // nil for none
		text    string
		another bool // whether nothing is known of the key
		before  func(http.ResponseWriter, *http.Request) bool
	}{
		"one that is active goes on":            {id: "sess_active", status: "active"},
		"one that is not complete goes on":      {id: "sess_pending", status: "pending"},
		"one was ended":                         {id: "sess_ended", status: "ended", ended: true},
		"one was removed":                       {id: "sess_removed", status: "removed", ended: true},
		"one was revoked":                       {id: "sess_revoked", status: "revoked", ended: true},
		"one has expired":                       {id: "sess_expired", status: "expired", ended: true},
		"one was abandoned":                     {id: "sess_abandoned", status: "abandoned", ended: true},
		"one was replaced":                      {id: "sess_replaced", status: "replaced", ended: true},
		"one was cleaned up":                    {id: "sess_unknown", status: "session_not_found", ended: true},
		"one may be of another instance":        {id: "sess_unknown", err: ErrRefused, text: "nothing shows that the secret key is of the issuer's instance", another: true},
		"one whose id is not Clerk's":           {id: "sess_active/../../users", err: ErrRefused, text: "not one of Clerk's"},
		"a key that is wrong says nothing":      {id: "sess_active", err: ErrCredential, before: always(401)},
		"a page of a proxy says nothing":        {id: "sess_active", text: "check api_url", before: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true }},
		"an answer without a status is no word": {id: "sess_active", text: "check api_url", before: func(w http.ResponseWriter, _ *http.Request) bool { answer(w, 200, map[string]string{}); return true }},
		"too many requests":                     {id: "sess_active", text: "status 429", before: always(429, "Retry-After", "7")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeClerk(t)
			for _, status := range []string{"active", "pending", "ended", "removed", "revoked", "expired", "abandoned", "replaced"} {
				f.sessions["sess_"+status] = status
			}
			f.set(func(w http.ResponseWriter, r *http.Request) bool {
				return test.before != nil && test.before(w, r) || !test.another && sameKeys(w, r)
			})
			c := NewClerk(ClerkConfig{SecretKey: secretKey, URL: f.URL, KeysURL: f.URL + "/issuer/jwks.json"})
			t.Cleanup(c.Close)
			status, ended, err := c.SessionStatus(t.Context(), Session{ID: test.id, Subject: someSubject})
			if status != test.status || ended != test.ended || (err != nil) != (test.err != nil || test.text != "") {
				t.Fatalf("%q, %v, %v; want %q, %v", status, ended, err, test.status, test.ended)
			}
			if err != nil && (!strings.Contains(err.Error(), test.text) || test.err != nil && !errors.Is(err, test.err) || test.err == nil && errors.Is(err, ErrRefused)) {
				t.Errorf("%v; want %v, %q", err, test.err, test.text)
			}
			var retry *RetryAfterError
			if strings.Contains(test.text, "429") && (!errors.As(err, &retry) || retry.Delay != 7*time.Second) {
				t.Errorf("%v; want to be asked again after 7 s", err)
			}
			if f.revoked[test.id] > 0 {
				t.Error("it was ended")
			}
		})
	}
}

// Clerk knew one session of the subject, so the key is of the right instance.
func TestASessionOfTheSubjectShowsThatTheKeyIsOfTheInstance(t *testing.T) {
	t.Parallel()
	f := newFakeClerk(t, "sess_1")
	c := f.clerk(t)
	for _, step := range []struct {
		session Session
		ended   bool
		want    error
	}{
		{Session{"sess_1", "user_eve"}, false, nil},
		{Session{"sess_2", someSubject}, false, ErrRefused},
		{Session{"sess_1", someSubject}, false, nil},
		{Session{"sess_2", someSubject}, true, nil},
	} {
		if _, ended, err := c.SessionStatus(t.Context(), step.session); ended != step.ended || !errors.Is(err, step.want) {
			t.Fatalf("%v has ended: %v, %v; want %v, %v", step.session, ended, err, step.ended, step.want)
		}
	}
}

// Most of what Clerk answers is left to others with a key of the instance.
func TestClerkIsNotAskedTooOften(t *testing.T) {
	t.Parallel()
	const inTenSeconds = 10
	for key, limit := range map[string]float64{"sk_test_1": 100, "sk_live_1": 1000, "by_a_proxy": 100} {
		c := NewClerk(ClerkConfig{SecretKey: key})
		t.Cleanup(c.Close)
		if got := float64(c.pace.Limit())*inTenSeconds + float64(c.pace.Burst()); got < limit/10 || got > limit/3 {
			t.Errorf("%s: %v requests in ten seconds, of %v", key, got, limit)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	f := newFakeClerk(t, "sess_1")
	if _, _, err := f.clerk(t).SessionStatus(stopped, Session{"sess_1", someSubject}); !errors.Is(err, context.Canceled) || f.count() != 0 {
		t.Errorf("%v, %d requests; want it canceled", err, f.count())
	}
}

func TestAStalledAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFakeClerk(t, "sess_1")
	f.set(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
	c := f.clerk(t)
	c.client.Timeout = 50 * time.Millisecond
	if err := c.EndSession(t.Context(), Session{ID: "sess_1"}); err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrCredential) {
		t.Errorf("%v; want a temporary error", err)
	}
}

func TestTheDefaultIsClerk(t *testing.T) {
	t.Parallel()
	if c := NewClerk(ClerkConfig{SecretKey: secretKey}); c.url != "https://api.clerk.com/v1/" || c.client.Timeout != 10*time.Second {
		t.Errorf("it calls %s, for %s", c.url, c.client.Timeout)
	}
}
