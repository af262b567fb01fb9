package signals_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
)

func TestALogoutTokenRevokes(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	session := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuerURL, ID: "sess_1"}
	second := now.Truncate(time.Second)
	subject := revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuerURL, ID: "user_ada", Before: second.Add(2 * time.Second)}
	for name, tt := range map[string]struct {
		edits    []authtest.Edit
		sessions bool
		want     revocation.Revocation
	}{
		"the session, where tokens name sessions":      {nil, true, session},
		"the session, where it names no subject":       {[]authtest.Edit{authtest.Without("sub")}, true, session},
		"the subject, where it names no session":       {[]authtest.Edit{authtest.Without("sid")}, true, subject},
		"the subject, where tokens name no session":    {nil, false, subject},
		"the subject, where sid is null":               {[]authtest.Edit{authtest.With("sid", nil)}, true, subject},
		"with the type in full":                        {[]authtest.Edit{authtest.Header("typ", "application/logout+jwt")}, true, session},
		"with the type in capitals":                    {[]authtest.Edit{authtest.Header("typ", "LOGOUT+JWT")}, true, session},
		"with the type of Keycloak":                    {[]authtest.Edit{authtest.Header("typ", "JWT"), authtest.With("typ", "Logout")}, true, session},
		"without a type":                               {[]authtest.Edit{authtest.WithoutHeader("typ")}, true, session},
		"with one of two clients":                      {[]authtest.Edit{authtest.With("aud", []string{"else", "app"})}, true, session},
		"with an event that is not empty":              {[]authtest.Edit{authtest.With("events", map[string]any{logoutEvent: map[string]any{"why": 1}})}, true, session},
		"with an event of Keycloak's beside":           {[]authtest.Edit{authtest.With("events", map[string]any{logoutEvent: map[string]any{}, "revoke_offline_access": true})}, true, session},
		"with claims that nobody knows":                {[]authtest.Edit{authtest.With("trace_id", "x"), authtest.With("client_id", "web"), authtest.With("typ", "event")}, true, session},
		"without exp, ten minutes old":                 {[]authtest.Edit{authtest.Without("exp"), authtest.With("iat", second.Add(-10*time.Minute).Unix())}, true, session},
		"just before it expires, and the skew with it": {[]authtest.Edit{authtest.IssuedAt(second.Add(-2*time.Minute - 4*time.Second)), authtest.Without("nbf")}, true, session},
		"by a clock that is ahead by the skew":         {[]authtest.Edit{authtest.With("iat", second.Add(5*time.Second).Unix())}, true, session},
		"the subject by an iat with fractions":         {[]authtest.Edit{authtest.Without("sid"), authtest.With("iat", float64(second.Unix())+0.25)}, false, subject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, sink := receiverFor(t, trusted(t, issuerURL), tt.sessions)
			w := send(t, receiver, logoutToken(issuer, tt.edits...))
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() > 0 {
				t.Fatalf("answered %d, %v, %s; want 200, no-store and nothing", w.Code, w.Header(), w.Body)
			}
			if len(sink.messages) != 1 || len(sink.messages[0].Revocations) != 1 {
				t.Fatalf("stored %+v; want one revocation", sink.messages)
			}
			m := sink.messages[0]
			got := m.Revocations[0]
			if !got.Before.Equal(tt.want.Before) {
				t.Errorf("before %v; want %v", got.Before, tt.want.Before)
			}
			got.Before = tt.want.Before
			if got != tt.want {
				t.Errorf("revoked %+v; want %+v", got, tt.want)
			}
			if m.Source != "backchannel-logout" || m.ID != "msg_1" || m.Type != logoutEvent || m.Issuer != issuerURL || m.Time.IsZero() {
				t.Errorf("message %+v", m)
			}
		})
	}
}

// A logout token that is wrong in one thing.
func TestALogoutTokenIsRefused(t *testing.T) {
	t.Parallel()
	issuer, other := newIssuer(issuerURL), newIssuer("https://else.example.com")
	second := now.Truncate(time.Second)
	for name, tt := range map[string]struct {
		raw  string
		want string // in error_description
	}{
		"nothing":                              {"", "TOKEN_MALFORMED"},
		"no JWT":                               {"logout", "TOKEN_MALFORMED"},
		"of an issuer that is not trusted":     {logoutToken(other), "ISSUER_UNTRUSTED"},
		"without an issuer":                    {logoutToken(issuer, authtest.Without("iss")), "CLAIM_MISSING"},
		"signed by another key":                {logoutToken(issuer, authtest.SignedBy(strangersKey())), "KEY_UNKNOWN"},
		"forged under the key's name":          {logoutToken(issuer, authtest.SignedBy(strangersKey().WithID(sharedKey().ID()))), "SIGNATURE_INVALID"},
		"with alg none":                        {logoutToken(issuer, authtest.Header("alg", "none")), "ALGORITHM_NOT_ALLOWED"},
		"with a MAC":                           {logoutToken(issuer, authtest.Header("alg", "HS256")), "ALGORITHM_NOT_ALLOWED"},
		"with crit":                            {logoutToken(issuer, authtest.Header("crit", []string{"exp"})), "TOKEN_MALFORMED"},
		"that has expired":                     {logoutToken(issuer, authtest.IssuedAt(second.Add(-2*time.Minute-5*time.Second)), authtest.Without("nbf")), "TOKEN_EXPIRED"},
		"of the future":                        {logoutToken(issuer, authtest.With("iat", second.Add(6*time.Second).Unix())), "TOKEN_NOT_YET_VALID"},
		"that does not count yet":              {logoutToken(issuer, authtest.With("nbf", second.Add(time.Minute).Unix())), "TOKEN_NOT_YET_VALID"},
		"without iat":                          {logoutToken(issuer, authtest.Without("iat")), "iat"},
		"with iat that is null":                {logoutToken(issuer, authtest.With("iat", nil)), "iat"},
		"with iat that is a text":              {logoutToken(issuer, authtest.With("iat", "1")), "CLAIM_INVALID"},
		"without exp, older than ten minutes":  {logoutToken(issuer, authtest.Without("exp"), authtest.With("iat", second.Add(-10*time.Minute-5*time.Second).Unix())), "no exp"},
		"that would count for two days":        {logoutToken(issuer, authtest.With("exp", second.Add(48*time.Hour).Unix())), "exp"},
		"with exp before iat":                  {logoutToken(issuer, authtest.With("exp", second.Unix()), authtest.With("iat", second.Add(time.Second).Unix())), "exp"},
		"without jti":                          {logoutToken(issuer, authtest.Without("jti")), "jti"},
		"with jti that is a number":            {logoutToken(issuer, authtest.With("jti", 1)), "CLAIM_INVALID"},
		"with jti that is too long":            {logoutToken(issuer, authtest.With("jti", strings.Repeat("x", 1025))), "id"},
		"without aud":                          {logoutToken(issuer, authtest.Without("aud")), "aud"},
		"for another client":                   {logoutToken(issuer, authtest.With("aud", "web2")), "aud"},
		"for a client in other letters":        {logoutToken(issuer, authtest.With("aud", "WEB")), "aud"},
		"for nobody":                           {logoutToken(issuer, authtest.With("aud", []string{})), "aud"},
		"for what is no text":                  {logoutToken(issuer, authtest.With("aud", []any{"web", 1})), "CLAIM_INVALID"},
		"without events":                       {logoutToken(issuer, authtest.Without("events")), "events"},
		"with events that are a list":          {logoutToken(issuer, authtest.With("events", []string{logoutEvent})), "events"},
		"with events that are a text":          {logoutToken(issuer, authtest.With("events", logoutEvent)), "events"},
		"with another event":                   {logoutToken(issuer, authtest.With("events", map[string]any{logoutEvent + "s": map[string]any{}})), "events"},
		"with an event that is null":           {logoutToken(issuer, authtest.With("events", map[string]any{logoutEvent: nil})), "events"},
		"with an event that is true":           {logoutToken(issuer, authtest.With("events", map[string]any{logoutEvent: true})), "events"},
		"with neither sub nor sid":             {logoutToken(issuer, authtest.Without("sub"), authtest.Without("sid")), "neither sub nor sid"},
		"with sub that is empty":               {logoutToken(issuer, authtest.With("sub", "")), "CLAIM_INVALID"},
		"with sub that is a number":            {logoutToken(issuer, authtest.With("sub", 1)), "CLAIM_INVALID"},
		"with sid that is empty":               {logoutToken(issuer, authtest.With("sid", "")), "sid"},
		"with sid that is a number":            {logoutToken(issuer, authtest.With("sid", 1)), "sid"},
		"with sid with a control character":    {logoutToken(issuer, authtest.With("sid", "sess\u0000")), "sid"},
		"with sid that is too long":            {logoutToken(issuer, authtest.With("sid", strings.Repeat("x", 1025))), "sid"},
		"with a nonce":                         {logoutToken(issuer, authtest.With("nonce", "n")), "nonce"},
		"with a nonce that is null":            {logoutToken(issuer, authtest.With("nonce", nil)), "nonce"},
		"that has at_hash, as ID tokens":       {logoutToken(issuer, authtest.With("at_hash", "x")), "at_hash"},
		"that has scopes, as access tokens":    {logoutToken(issuer, authtest.With("scope", "openid")), "scope"},
		"with the type of an access token":     {logoutToken(issuer, authtest.Header("typ", "at+jwt")), "typ"},
		"with the type of a security event":    {logoutToken(issuer, authtest.Header("typ", "secevent+jwt")), "typ"},
		"with the type JOSE":                   {logoutToken(issuer, authtest.Header("typ", "JOSE")), "typ"},
		"that Keycloak calls an ID token":      {logoutToken(issuer, authtest.Header("typ", "JWT"), authtest.With("typ", "ID")), "typ"},
		"that is an access token":              {issuer.OIDC("user_ada", authtest.With("aud", "web"), authtest.Header("typ", "at+jwt")), "typ"},
		"that is an ID token":                  {issuer.OIDC("user_ada", authtest.With("aud", "web"), authtest.With("nonce", "n"), authtest.With("sid", "sess_1")), "events"},
		"of which a member is there twice":     {issuer.Sign([]byte(`{"alg":"RS256","kid":"`+sharedKey().ID()+`","typ":"logout+jwt"}`), []byte(`{"iss":"`+issuerURL+`","sub":"a","sub":"b"}`)), "TOKEN_MALFORMED"},
		"with two events of the name":          {issuer.Sign([]byte(`{"alg":"RS256","kid":"`+sharedKey().ID()+`"}`), []byte(`{"iss":"`+issuerURL+`","events":{"e":1,"e":2}}`)), "TOKEN_MALFORMED"},
		"longer than 64 KiB":                   {logoutToken(issuer, authtest.With("pad", strings.Repeat("x", 64<<10))), "TOKEN_TOO_LARGE"},
		"encrypted, or of five parts at least": {"e30.e30.e30.e30.e30", "TOKEN_MALFORMED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
			expectRefusal(t, send(t, receiver, tt.raw), tt.want)
			if len(sink.messages) > 0 {
				t.Errorf("it was stored: %+v", sink.messages)
			}
			if got := receiver.Status(); got.Refused != 1 || got.Accepted != 0 || !strings.Contains(got.LastError, tt.want) {
				t.Errorf("Status = %+v", got)
			}
		})
	}
}

// expectRefusal wants 400, with an error in JSON whose description has want.
func expectRefusal(t testing.TB, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Errorf("answered %q: %v", w.Body, err)
	}
	if w.Code != http.StatusBadRequest || answer.Error != "invalid_request" || !strings.Contains(answer.Description, want) {
		t.Errorf("answered %d, %s; want 400, invalid_request and %q", w.Code, w.Body, want)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestTheFormOfALogout(t *testing.T) {
	t.Parallel()
	good := url.QueryEscape(logoutToken(newIssuer(issuerURL)))
	for name, tt := range map[string]struct {
		contentType, body string
		want              int
	}{
		"the token alone":                 {form, "logout_token=" + good, http.StatusOK},
		"another field beside":            {form, "state=1&logout_token=" + good, http.StatusOK},
		"a charset":                       {form + "; charset=UTF-8", "logout_token=" + good, http.StatusOK},
		"no token":                        {form, "", http.StatusBadRequest},
		"a token of another name":         {form, "token=" + good, http.StatusBadRequest},
		"the token twice":                 {form, "logout_token=" + good + "&logout_token=" + good, http.StatusBadRequest},
		"an empty token beside":           {form, "logout_token=&logout_token=" + good, http.StatusBadRequest},
		"an escape that is broken":        {form, "x=%zz&logout_token=" + good, http.StatusBadRequest},
		"a semicolon":                     {form, "x;logout_token=" + good, http.StatusBadRequest},
		"white space around the token":    {form, "logout_token=+" + good, http.StatusBadRequest},
		"JSON":                            {"application/json", `{"logout_token":"` + good + `"}`, http.StatusBadRequest},
		"a form of parts":                 {"multipart/form-data; boundary=x", "--x--", http.StatusBadRequest},
		"no type":                         {"", "logout_token=" + good, http.StatusBadRequest},
		"a body that is longer than that": {form, "x=" + strings.Repeat("x", 256<<10) + "&logout_token=" + good, http.StatusBadRequest},
		"many fields":                     {form, strings.Repeat("x&", 120<<10) + "logout_token=", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
			if w := post(t, receiver, tt.contentType, tt.body); w.Code != tt.want || (w.Code == http.StatusOK) != (len(sink.messages) == 1) {
				t.Errorf("answered %d, %s, and stored %d; want %d", w.Code, w.Body, len(sink.messages), tt.want)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		t.Parallel()
		receiver, _ := receiverFor(t, trusted(t, issuerURL), true)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?logout_token="+good, http.NoBody)
		r.Header.Set("Content-Type", form)
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		expectRefusal(t, w, "exactly once")
	})
	t.Run("by GET", func(t *testing.T) {
		t.Parallel()
		receiver, _ := receiverFor(t, trusted(t, issuerURL), true)
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?logout_token="+good, nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
			t.Errorf("answered %d, %v", w.Code, w.Header())
		}
	})
}

func TestALogoutTokenThatComesAgain(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
	raw := logoutToken(issuer)
	for range 3 {
		if w := send(t, receiver, raw); w.Code != http.StatusOK {
			t.Fatalf("answered %d, %s", w.Code, w.Body)
		}
	}
	if got := receiver.Status(); len(sink.messages) != 1 || got.Accepted != 1 || got.Repeated != 2 {
		t.Errorf("stored %d times, %+v; want once, and twice repeated", len(sink.messages), got)
	}
	// One with the same jti that means something else is another.
	if w := send(t, receiver, logoutToken(issuer, authtest.With("sid", "sess_2"))); w.Code != http.StatusOK || len(sink.messages) != 2 {
		t.Errorf("answered %d, stored %d; want 200 and 2", w.Code, len(sink.messages))
	}
}

// The same jti at two issuers is not the same message.
func TestIssuersOfOneReceiver(t *testing.T) {
	t.Parallel()
	sink := new(recorder)
	urls := []string{"https://one.example.com", "https://two.example.com", "https://silent.example.com"}
	receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Verifier: newVerifier(t, trusted(t, urls[0]), trusted(t, urls[1]), trusted(t, urls[2])),
		Issuers: []signals.LogoutIssuer{
			{URL: urls[0], ClientIDs: []string{"web"}, SessionsInTokens: true},
			{URL: urls[1], ClientIDs: []string{"shop"}},
		},
		Sink: sink, Now: clock, Logger: slog.New(slog.DiscardHandler), Name: "sso",
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := send(t, receiver, logoutToken(newIssuer(urls[0]))); w.Code != http.StatusOK {
		t.Errorf("one: %d, %s", w.Code, w.Body)
	}
	expectRefusal(t, send(t, receiver, logoutToken(newIssuer(urls[1]))), "aud") // that of the other issuer
	if w := send(t, receiver, logoutToken(newIssuer(urls[1]), authtest.With("aud", "shop"))); w.Code != http.StatusOK {
		t.Errorf("two: %d, %s", w.Code, w.Body)
	}
	expectRefusal(t, send(t, receiver, logoutToken(newIssuer(urls[2]))), "no logout token of this issuer")
	if len(sink.messages) != 2 || sink.messages[0].Revocations[0].Kind != revocation.TargetSession || sink.messages[1].Revocations[0].Kind != revocation.TargetSubject ||
		sink.messages[1].Issuer != urls[1] || sink.messages[0].Source != "sso" {
		t.Errorf("stored %+v", sink.messages)
	}
}

// A token of the second of the sign-out is refused, whether it was issued before or after,
// and so is one of the next.
func TestTheSecondOfTheSignOut(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	list := revocation.New(revocation.Config{Now: clock})
	verifier := newVerifier(t, trusted(t, issuerURL))
	receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Verifier: verifier, Issuers: []signals.LogoutIssuer{{URL: issuerURL, ClientIDs: []string{"web"}}},
		Sink: signals.ToList(list), Now: clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := send(t, receiver, logoutToken(issuer)); w.Code != http.StatusOK {
		t.Fatalf("answered %d, %s", w.Code, w.Body)
	}
	for name, tt := range map[string]struct {
		subject string
		issued  time.Time
		want    bool
	}{
		"a minute before":             {"user_ada", now.Add(-time.Minute), true},
		"in the same second":          {"user_ada", now, true},
		"in the next second":          {"user_ada", now.Add(time.Second), true},
		"two seconds later":           {"user_ada", now.Add(2 * time.Second), false},
		"a minute before, to another": {"user_ben", now.Add(-time.Minute), false},
	} {
		id, err := verifier.Verify(t.Context(), issuer.OIDC(tt.subject, authtest.IssuedAt(tt.issued), authtest.ExpiresIn(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if reason, refused := auth.ReasonOf(list.Revoked(id)); refused != tt.want || refused && reason != auth.TokenRevoked {
			t.Errorf("%s: refused: %t, %v; want %t", name, refused, reason, tt.want)
		}
	}
}

// What is signed and cannot be acted on is the operator's to know, however many strangers
// are at the door.
func TestALogoutThatCannotBeActedOn(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	byName := trusted(t, issuerURL)
	byName.Profile = token.OIDC()
	byName.Profile.Subject = []token.ClaimPath{{"employee"}}
	for name, tt := range map[string]struct {
		trusted  token.Issuer
		sessions bool
		edit     authtest.Edit
	}{
		"the session alone, where tokens name none":             {trusted(t, issuerURL), false, authtest.Without("sub")},
		"the subject alone, where tokens name another in claim": {byName, true, authtest.Without("sid")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			sink := new(recorder)
			receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
				Verifier: newVerifier(t, tt.trusted),
				Issuers:  []signals.LogoutIssuer{{URL: issuerURL, ClientIDs: []string{"web"}, SessionsInTokens: tt.sessions}},
				Sink:     sink, Now: clock, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			raw := logoutToken(issuer, tt.edit)
			for range 3 {
				expectRefusal(t, send(t, receiver, "stranger"), "TOKEN_MALFORMED")
				expectRefusal(t, send(t, receiver, raw), "nothing can be revoked")
			}
			if n := strings.Count(log.String(), "nothing can be revoked"); n != 1 {
				t.Errorf("the log has %d lines of it in one second; want 1:\n%s", n, &log)
			}
			if strings.Contains(log.String(), raw[len(raw)-20:]) {
				t.Error("the log has the token")
			}
			if len(sink.messages) > 0 {
				t.Errorf("it was stored: %+v", sink.messages)
			}
		})
	}
	// The session is revoked for every subject.
	receiver, sink := receiverFor(t, byName, true)
	want := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuerURL, ID: "sess_1"}
	if w := send(t, receiver, logoutToken(issuer)); w.Code != http.StatusOK || len(sink.messages) != 1 || sink.messages[0].Revocations[0] != want {
		t.Errorf("answered %d, stored %+v", w.Code, sink.messages)
	}
}

type noKeys struct{}

func (noKeys) Lookup(context.Context, jwks.Hint) ([]*jwks.Key, error) {
	return nil, jwks.ErrUnavailable
}

func TestALogoutThatFailsCanBeSentAgain(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	without := trusted(t, issuerURL)
	without.Keys = noKeys{}
	for name, tt := range map[string]struct {
		trusted token.Issuer
		fault   error
	}{
		"without keys":              {without, nil},
		"where it cannot be stored": {trusted(t, issuerURL), errors.New("the disk is full")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, sink := receiverFor(t, tt.trusted, true)
			sink.err = tt.fault
			w := send(t, receiver, logoutToken(issuer))
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "temporarily_unavailable") ||
				strings.Contains(w.Body.String(), "disk") {
				t.Errorf("answered %d, %v, %s", w.Code, w.Header(), w.Body)
			}
			if got := receiver.Status(); got.Failed != 1 || got.Refused != 0 {
				t.Errorf("Status = %+v", got)
			}
		})
	}
}

// The profile says where tokens name sessions.
func TestSessionsByProfile(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	keycloak := trusted(t, issuerURL)
	keycloak.Profile = token.Keycloak()
	receiver, sink := receiverFor(t, keycloak, false)
	if w := send(t, receiver, logoutToken(issuer)); w.Code != http.StatusOK || sink.messages[0].Revocations[0].Kind != revocation.TargetSession {
		t.Errorf("answered %d, stored %+v", w.Code, sink.messages)
	}
}

func TestBackChannelLogoutNamesEveryFault(t *testing.T) {
	t.Parallel()
	byName := trusted(t, "https://name.example.com")
	byName.Profile = token.Entra()
	verifier := newVerifier(t, trusted(t, issuerURL), byName)
	for name, tt := range map[string]struct {
		config signals.LogoutConfig
		want   []string
	}{
		"nothing": {signals.LogoutConfig{}, []string{"a Sink is required", "a Verifier is required", "at least one issuer"}},
		"issuers": {
			signals.LogoutConfig{Verifier: verifier, Sink: new(recorder), Issuers: []signals.LogoutIssuer{
				{URL: issuerURL, ClientIDs: []string{"web"}},
				{URL: issuerURL, ClientIDs: []string{"web"}},
				{URL: issuerURL + "/", ClientIDs: []string{"web"}},
				{URL: "https://a.example.com"},
				{URL: "https://b.example.com", ClientIDs: []string{""}},
				{URL: "https://name.example.com", ClientIDs: []string{"web"}},
			}},
			[]string{
				`issuer "https://sso.example.com": it is given twice`, `issuer "https://sso.example.com/": the Verifier does not trust it`,
				`issuer "https://a.example.com": name the IDs`, `issuer "https://b.example.com": name the IDs`,
				`issuer "https://name.example.com": no logout token can be acted on`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := signals.NewBackChannelLogout(tt.config)
			text := ""
			if err != nil {
				text = err.Error()
			}
			missing := slices.DeleteFunc(slices.Clone(tt.want), func(want string) bool { return strings.Contains(text, want) })
			if len(missing) > 0 || strings.Count(text, "\n") != len(tt.want)-1 {
				t.Errorf("the error does not say %q, or says more:\n%s", missing, cmp.Or(text, "nothing"))
			}
		})
	}
}
