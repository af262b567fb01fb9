package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Identity is what a verified token says about its bearer. It is shared by
// every call that presents the same token, so it must not be changed, its
// slices included; it is safe for concurrent use.
//
// A field that the token does not speak of has its zero value.
type Identity struct {
	// Issuer is the iss claim: who signed the token. Never empty.
	Issuer string
	// Subject is the sub claim: the user, or the machine, at that issuer. Never
	// empty. Only Issuer and Subject together name somebody.
	Subject string
	// Kind is what kind of token was presented. Never zero.
	Kind TokenKind
	// TokenID is the jti claim.
	TokenID string
	// KeyID is the kid of the key that has verified the token; empty where it has none.
	KeyID string
	// TokenHash names the token in records of decisions, without being it: the first 8 bytes of
	// the SHA-256 of the whole of it, in hexadecimal. Empty where there was no token.
	TokenHash string
	// SessionID is the session that the token belongs to. Empty for a machine,
	// which has none, whatever its token says.
	SessionID string
	// ClientID is the OAuth client that the token was issued to.
	ClientID string
	// AuthorizedParty is the azp claim.
	AuthorizedParty string
	// Audience is the aud claim.
	Audience []string
	// Organization is the one that the caller acts in; zero when in none.
	Organization Organization
	// Roles, those of an organization with their org: prefix.
	Roles []string
	// Permissions, in the form org:feature:permission for an organization's.
	Permissions []string
	// Scopes of OAuth 2.0.
	Scopes []string
	// Features, as scope:name with scope o (organization), u (user) or both.
	Features []string
	// Plans, in the form of Features.
	Plans []string
	// Actor is who really acts, where the caller is impersonated; else nil.
	Actor *Actor
	// IssuedAt is the iat claim; zero when the token has none.
	IssuedAt time.Time
	// NotBefore is the nbf claim; zero when the token has none.
	NotBefore time.Time
	// ExpiresAt is the exp claim. Never zero in a token's identity.
	ExpiresAt time.Time
	// Leeway is how long after ExpiresAt the token is still accepted: what its
	// issuer's clock may be off.
	Leeway time.Duration
	// FactorAges says how long before IssuedAt each factor was last verified;
	// nil when the token does not say, which never counts as fresh.
	FactorAges *FactorAges
	// AuthTime is the auth_time claim: when the user last proved who they are
	// (OpenID Connect Core 1.0, section 2). Zero when the token does not say, which
	// never counts as fresh.
	AuthTime time.Time
	// ACR is the acr claim: the class of authentication that was met.
	ACR string
	// AMR is the amr claim: the methods of authentication that were used, such as
	// pwd and otp (RFC 8176).
	AMR []string
	// Key is what the token was verified with; nil where nothing can withdraw it.
	Key Key `json:"-"`
	// NoStepUp is set where the clients of the issuer do not act on the challenge of
	// RFC 9470, but on PERMISSION_DENIED, when the user is to be verified again; as
	// those of Clerk.
	NoStepUp bool
	// RawClaims is the token's payload, one JSON object. Use Claims to read it.
	RawClaims string
}

// A Key is what a token was verified with. It must be safe for concurrent use, and
// Withdrawn quick: it is asked about every call.
type Key interface {
	// Withdrawn returns nil while tokens that were verified with the key count,
	// and then an *Error: KeyUnknown once the issuer no longer publishes the key,
	// KeysUnavailable while what the issuer publishes is not known.
	Withdrawn() error
}

// An Organization is the one that a caller acts in.
type Organization struct {
	ID   string
	Slug string
	Role string // with its org: prefix
}

// An Actor is the party that acts as the subject (RFC 8693, section 4.1).
type Actor struct {
	Issuer    string
	Subject   string
	SessionID string
	Type      string
}

// FactorAges are the ages of the two factors of authentication when the token
// was issued. A negative age means that the factor was never verified.
type FactorAges struct {
	First  time.Duration
	Second time.Duration
}

// VerifiedToken returns what names the token that the identity is from, for logs and audit
// records.
func (id *Identity) VerifiedToken() VerifiedToken {
	return VerifiedToken{Issuer: id.Issuer, Subject: id.Subject, SessionID: id.SessionID, KeyID: id.KeyID, TokenID: id.TokenID, TokenHash: id.TokenHash}
}

// Claims decodes the token's payload into v, as json.Unmarshal does. Use it for
// claims of your own; everything standard is already a field.
func (id *Identity) Claims(v any) error {
	if id.RawClaims == "" {
		return errors.New("this identity carries no claims: it was not made from a token")
	}
	return json.Unmarshal([]byte(id.RawClaims), v)
}

// HasRole reports whether the caller has the role. The org: prefix may be
// written or left out on either side.
func (id *Identity) HasRole(role string) bool { return containsOrg(id.Roles, role) }

// HasPermission reports whether the caller has the permission. The org: prefix
// may be written or left out on either side.
func (id *Identity) HasPermission(permission string) bool {
	return containsOrg(id.Permissions, permission)
}

// HasScope reports whether the token has the OAuth 2.0 scope, compared exactly.
func (id *Identity) HasScope(scope string) bool { return slices.Contains(id.Scopes, scope) }

func containsOrg(have []string, want string) bool {
	want = trimOrg(want)
	if want == "" {
		return false
	}
	for _, h := range have {
		if trimOrg(h) == want {
			return true
		}
	}
	return false
}

// trimOrg takes every leading org: off, so that names compare alike however
// often they were prefixed.
func trimOrg(s string) string {
	for {
		rest, found := strings.CutPrefix(s, "org:")
		if !found {
			return s
		}
		s = rest
	}
}

// HasFeature reports whether the caller has the feature. A bare name, such as
// invoices, is one of their organization's or one of their own; org:invoices
// asks for one of their organization's, user:invoices for one of their own. The
// prefixes o, organization and u are understood too; with any other nobody has
// it.
func (id *Identity) HasFeature(feature string) bool { return containsScoped(id.Features, feature) }

// HasPlan reports whether the caller is on the plan, named as for HasFeature.
func (id *Identity) HasPlan(plan string) bool { return containsScoped(id.Plans, plan) }

// containsScoped looks for want among names of the form scope:name, where the
// scope is o, u or both.
func containsScoped(have []string, want string) bool {
	letter, name, ok := parseScoped(want)
	if !ok {
		return false
	}
	for _, h := range have {
		scope, candidate, found := strings.Cut(h, ":")
		if !found {
			scope, candidate = "", h
		}
		if candidate == name && strings.Contains(scope, letter) {
			return true
		}
	}
	return false
}

// parseScoped returns the scope's letter, "" for either scope, and the name.
func parseScoped(want string) (letter, name string, ok bool) {
	scope, name, scoped := strings.Cut(want, ":")
	if !scoped {
		return "", want, want != ""
	}
	switch scope {
	case "o", "org", "organization":
		letter = "o"
	case "u", "user":
		letter = "u"
	}
	return letter, name, letter != "" && name != ""
}

// A TokenKind is the class of a token: what it stands for, and so how long it lives
// and what can end it. The zero value is no kind at all and is never accepted.
type TokenKind uint8

// The kinds.
const (
	KindSession  TokenKind = iota + 1 // a user's session; ends when the session does
	KindTemplate                      // a user's token made from a template, with no session behind it
	KindOAuth                         // an access token of an OAuth 2.0 client that acts for a user (RFC 9068)
	KindMachine                       // a machine's token: a client or a workload that acts for itself
	KindID                            // an ID token (OpenID Connect Core 1.0, section 2), which says who signed in, to its client
)

var kindNames = [...]string{"unknown", "session", "template", "oauth", "machine", "id"}

// String returns the kind's name in settings and logs, such as session.
func (k TokenKind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// ParseTokenKind returns the kind with the given name.
func ParseTokenKind(name string) (TokenKind, error) {
	for i, known := range kindNames {
		if i > 0 && name == known {
			return TokenKind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of token %q: use session, template, oauth, machine or id", name)
}

// IssuerCapabilities say what the tokens of one issuer can prove, by the issuer's
// settings. The zero value of a field means that no token of the issuer has it.
type IssuerCapabilities struct {
	// Issuer is the iss claim.
	Issuer string
	// Kinds are the kinds of token that are accepted.
	Kinds []TokenKind
	// Organization is whether a caller may act in one.
	Organization bool
	// Roles is whether a caller may have any, and so for the others.
	Roles       bool
	Permissions bool
	Scopes      bool
	Features    bool
	Plans       bool
	// Verification is whether a token may say when, how or by which class of methods
	// its user was verified; see [Identity.Fresh] and ACR. No machine is ever verified.
	Verification bool
}
