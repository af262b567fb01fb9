package signals

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// LogoutConfig says whose logout tokens [NewBackChannelLogout] takes.
type LogoutConfig struct {
	// Name is that of the source. Default: backchannel-logout.
	Name string
	// Verifier has the keys and the algorithms of the issuers. Take the guard's: a logout
	// token is signed as an ID token is. Required.
	Verifier *token.Verifier
	// Issuers are those that may sign out. At least one; no issuer twice.
	Issuers []LogoutIssuer
	// Sink gets what is revoked. Required.
	Sink Sink
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger gets what is accepted, at level INFO, and what is refused, at WARN. Default:
	// slog.Default().
	Logger *slog.Logger
}

// A LogoutIssuer is one that may sign out.
type LogoutIssuer struct {
	// URL is the one that the Verifier knows it by. Required.
	URL string
	// ClientIDs are the values of aud of which a logout token must have one: the IDs of the
	// clients at which the logout URI is registered, and not the audience of access tokens.
	// At least one.
	ClientIDs []string
	// SessionsInTokens says that each access token of a user names its session, by the same
	// sid as the logout token. Then only that session is revoked; otherwise all tokens of
	// the subject that were issued until the sign-out are, and a logout token that names no
	// subject is refused, since nothing could be revoked. Where it is set and tokens name
	// no session, a sign-out has no effect. False means what the issuer's profile says
	// ([token.Profile.NamesSession]).
	SessionsInTokens bool
}

// NewBackChannelLogout returns a receiver of logout tokens (OpenID Connect Back-Channel
// Logout 1.0), for the URI that is registered at the issuers as backchannel_logout_uri:
//
//	logout, err := signals.NewBackChannelLogout(signals.LogoutConfig{
//		Verifier: verifier,
//		Issuers:  []signals.LogoutIssuer{{URL: "https://sso.example.com/realms/acme", ClientIDs: []string{"web"}}},
//		Sink:     signals.ToList(list),
//	})
//	mux.Handle("POST /signals/backchannel-logout", logout)
//
// It holds a token to all of sections 2.4 and 2.6, and one without exp, which the first
// edition of the specification did not ask for, must be no older than ten minutes. A token
// that comes again is answered with success, and revokes nothing more.
//
// A session is revoked for good, with the subject where the logout token names that too. A
// subject is revoked until the second after the one that iat is in. iat is mostly a whole
// number of seconds, and so is that of access tokens: one that was issued in the same
// second, before the sign-out, has the same iat, and must be refused. ZITADEL even writes
// iat into a logout token that is a second too early. So a user who signs in again at once
// needs another token two seconds later; the refusal says when.
//
// It answers 200 once the revocation is in force, and 400 with error and error_description
// (section 2.8) to what it refuses. Where keys are missing or the sink fails it answers
// 503 and not the 400 that section 2.8 has for that too, since a sender that sends
// again, such as Ory Hydra, does so after 503 and not after 400.
//
// The error names everything that is wrong with the config.
func NewBackChannelLogout(config LogoutConfig) (*Receiver, error) {
	l := &logout{verifier: config.Verifier, issuers: make(map[string]logoutIssuer), now: config.Now}
	if l.now == nil {
		l.now = time.Now
	}
	var faults []error
	if config.Sink == nil {
		faults = append(faults, errors.New("a Sink is required: use ToList for a revocation.List"))
	}
	if config.Verifier == nil {
		faults = append(faults, errors.New("a Verifier is required: take the one that verifies the access tokens"))
	}
	if len(config.Issuers) == 0 {
		faults = append(faults, errors.New("name at least one issuer that may sign out"))
	}
	for _, issuer := range config.Issuers {
		if err := l.trust(issuer); err != nil {
			faults = append(faults, fmt.Errorf("issuer %q: %w", issuer.URL, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("back-channel logout: %w", err)
	}
	return newReceiver(
		newInbox(cmp.Or(config.Name, "backchannel-logout"), config.Sink, config.Now, config.Logger),
		protocol{
			mediaType: "application/x-www-form-urlencoded",
			read:      l.read,
			accept:    func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
			refuse:    refuseLogout,
		},
	), nil
}

// The names of section 2.4.
const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutType  = "logout+jwt"
)

// maxLogoutAge bounds the age of a logout token that does not say when it expires.
const maxLogoutAge = 10 * time.Minute

// logout reads logout tokens.
type logout struct {
	verifier *token.Verifier
	issuers  map[string]logoutIssuer // by URL
	now      func() time.Time
}

type logoutIssuer struct {
	clients     []string
	sessions    bool          // tokens name their session
	subjects    bool          // the sub of a token is the subject of its identity
	skew        time.Duration // of its clock
	maxLifetime time.Duration
}

func (l *logout) trust(issuer LogoutIssuer) error {
	if len(issuer.ClientIDs) == 0 || slices.Contains(issuer.ClientIDs, "") {
		return errors.New("name the IDs of the clients that the logout URI is registered at: without one, no logout token is meant for this service")
	}
	if _, known := l.issuers[issuer.URL]; known {
		return errors.New("it is given twice")
	}
	if l.verifier == nil {
		return nil
	}
	for _, trusted := range l.verifier.Issuers() {
		if trusted.URL != issuer.URL {
			continue
		}
		one := logoutIssuer{
			clients:     issuer.ClientIDs,
			sessions:    issuer.SessionsInTokens || trusted.Profile.NamesSession(),
			subjects:    len(trusted.Profile.Subject) == 0,
			skew:        trusted.Skew,
			maxLifetime: trusted.MaxLifetime,
		}
		if !one.sessions && !one.subjects {
			return errors.New("no logout token can be acted on, since access tokens name their user by another claim than sub: set SessionsInTokens, if they name the session by sid")
		}
		l.issuers[issuer.URL] = one
		return nil
	}
	return errors.New("the Verifier does not trust it; write its URL as there")
}

// read verifies the logout token in a form and returns what it revokes.
func (l *logout) read(ctx context.Context, _ http.Header, body []byte) (Message, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 {
		return Message{}, malformed("the form must have logout_token exactly once")
	}
	verified, err := l.verifier.VerifyMessage(ctx, form["logout_token"][0])
	switch reason, _ := auth.ReasonOf(err); {
	case err == nil:
	case reason == auth.KeysUnavailable:
		return Message{}, fmt.Errorf("no keys to verify a logout token with: %w", err)
	default:
		return Message{}, &refusal{
			status: http.StatusBadRequest, code: "invalid_request",
			message: "the logout token is refused: " + reason.String(), cause: auth.AsError(err).Cause,
			signed: reason == auth.TokenExpired || reason == auth.TokenNotYetValid,
		}
	}
	message, err := l.judge(verified)
	if refused, ok := err.(*refusal); ok { //nolint:errorlint // it is ours, and not wrapped
		refused.signed = true
	}
	return message, err
}

// judge holds a message of the issuer against sections 2.4 and 2.6.
func (l *logout) judge(m token.Message) (Message, error) {
	issuer, known := l.issuers[m.Issuer]
	if !known {
		return Message{}, malformed("no logout token of this issuer is accepted")
	}
	claims, err := strictjson.Parse(nil, m.Claims)
	if err != nil {
		return Message{}, malformed("the claims are no JSON object")
	}
	if err := checkLogoutKind(m.Type, claims); err != nil {
		return Message{}, err
	}
	switch {
	case m.ID == "":
		return Message{}, malformed("jti is missing")
	case !slices.ContainsFunc(m.Audience, func(client string) bool { return slices.Contains(issuer.clients, client) }):
		return Message{}, malformed("aud names no client that is signed out here")
	}
	if err := l.checkTimes(m, issuer); err != nil {
		return Message{}, err
	}
	session, err := sessionOf(claims)
	if err != nil {
		return Message{}, err
	}
	revoked, err := issuer.revocation(m, session, l.now())
	if err != nil {
		return Message{}, err
	}
	return Message{ID: m.ID, Type: logoutEvent, Issuer: m.Issuer, Time: m.IssuedAt, Revocations: []revocation.Revocation{revoked}}, nil
}

// checkLogoutKind distinguishes a logout token from what else the issuer signs for the client
// (section 4.1). Its header should have the type logout+jwt; Keycloak's has JWT.
func checkLogoutKind(typ string, claims strictjson.Object) error {
	if typ != "" && !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, logoutType) {
		return malformed("by the typ of its header it is no logout token")
	}
	events, ok := claims.Get("events").Members(nil)
	if !ok {
		return malformed("events is missing, or no object")
	}
	if events.Get(logoutEvent).Kind() != '{' {
		return malformed("events has no object named " + logoutEvent)
	}
	for _, name := range [...]string{"nonce", "at_hash", "c_hash", "s_hash", "scope", "scp"} {
		if claims.Get(name) != "" {
			return malformed("no logout token has " + name)
		}
	}
	// Keycloak writes Logout here, and these into its other tokens. What nobody knows must be
	// ignored (section 2.4).
	kind, _ := claims.Get("typ").Text()
	switch strings.ToLower(kind) {
	case "id", "bearer", "refresh", "offline", "dpop":
		return malformed("by its claim typ it is no logout token")
	}
	return nil
}

// checkTimes judges what the verifier does not: iat must be there, and the token must not
// be usable for long.
func (l *logout) checkTimes(m token.Message, issuer logoutIssuer) error {
	switch lifetime := m.ExpiresAt.Sub(m.IssuedAt); {
	case m.IssuedAt.IsZero():
		return malformed("iat is missing")
	case m.ExpiresAt.IsZero():
		if l.now().Sub(m.IssuedAt) > maxLogoutAge+issuer.skew {
			return malformed("it has no exp, and is older than " + maxLogoutAge.String())
		}
	case lifetime < 0 || lifetime > issuer.maxLifetime:
		return malformed("exp is before iat, or too long after it")
	}
	return nil
}

// sessionOf reads sid; "" if there is none.
func sessionOf(claims strictjson.Object) (string, error) {
	v := claims.Get("sid")
	if v == "" || v == "null" {
		return "", nil
	}
	sid, ok := v.Text()
	if !ok || sid == "" || !storable(sid) {
		return "", malformed("sid is no string, is empty or too long, or has a control character")
	}
	return sid, nil
}

// revocation returns what a logout token revokes. A session is revoked for every subject: access
// tokens may name its user otherwise than sub of the logout token.
func (i *logoutIssuer) revocation(m token.Message, session string, now time.Time) (revocation.Revocation, error) {
	subject := m.Subject
	if !i.subjects {
		subject = ""
	}
	switch {
	case m.Subject == "" && session == "":
		return revocation.Revocation{}, malformed("it has neither sub nor sid")
	case !storable(m.Subject):
		return revocation.Revocation{}, malformed("sub is too long, or has a control character")
	case session != "" && i.sessions:
		return revocation.Revocation{Kind: revocation.TargetSession, Issuer: m.Issuer, ID: session}, nil
	case subject == "" && session != "":
		return revocation.Revocation{}, malformed("it names the session alone, which access tokens do not name here, so nothing can be revoked: have the issuer send sub too, or put sid into access tokens")
	case subject == "":
		return revocation.Revocation{}, malformed("it names no session, and access tokens name their user by another claim than sub here, so nothing can be revoked")
	default:
		before, err := issuedUntil(m.IssuedAt, now)
		return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: m.Issuer, ID: subject, Before: before}, err
	}
}

// refuseLogout answers as section 2.8 says: 400 to whatever is wrong with a message, with
// the JSON of RFC 6749, section 5.2.
func refuseLogout(w http.ResponseWriter, refused *refusal) {
	status := refused.status
	if status < http.StatusInternalServerError && status != http.StatusMethodNotAllowed {
		status = http.StatusBadRequest
	}
	body, err := json.Marshal(map[string]string{"error": refused.code, "error_description": refused.message})
	if err != nil {
		body = nil // two strings cannot fail
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
