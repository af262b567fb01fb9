package transmitter

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// The types of events.
const (
	sessionRevoked  = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	accountDisabled = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
	verification    = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated   = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

// supported are the types of events of which a stream can have some. The other two are
// about the stream itself.
var supported = []string{sessionRevoked, accountDisabled}

// A subject is whom or what an event is about (RFC 9493; SSF 1.0, section 3).
type subject struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	TokenID string `json:"jti,omitempty"`
	ID      string `json:"id,omitempty"`

	// Of a complex subject.
	User        *subject `json:"user,omitempty"`
	Session     *subject `json:"session,omitempty"`
	Application *subject `json:"application,omitempty"`
	Tenant      *subject `json:"tenant,omitempty"`
	OrgUnit     *subject `json:"org_unit,omitempty"`
}

func opaque(id string) *subject { return &subject{Format: "opaque", ID: id} }

func issued(issuer, id string) *subject {
	return &subject{Format: "iss_sub", Issuer: issuer, Subject: id}
}

// claims are those of a security event token (RFC 8417). It has neither exp nor sub (SSF
// 1.0, section 4.1).
type claims struct {
	Issuer   string         `json:"iss"`
	ID       string         `json:"jti"`
	IssuedAt int64          `json:"iat"`
	Audience string         `json:"aud"`
	Cause    string         `json:"txn,omitempty"`
	Subject  *subject       `json:"sub_id"`
	Events   map[string]any `json:"events"`
}

// revoked is the event of either type about a revocation.
type revoked struct {
	At int64 `json:"event_timestamp"`
	// The profile for interoperability of CAEP wants one, by language. Why it was revoked is
	// for operators alone.
	ReasonAdmin map[string]string `json:"reason_admin"`
}

// updated is a streamUpdated event.
type updated struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// verified is a verification event.
type verified struct {
	State string `json:"state,omitempty"`
}

// delivered returns the types of events of a stream.
func delivered(s store.Stream) []string {
	types := slices.Clone(supported)
	if s.Events == nil {
		return types
	}
	return slices.DeleteFunc(types, func(t string) bool { return !slices.Contains(s.Events, t) })
}

// typeOf returns the type of the event that a stream has of a revocation; "" if it has none.
func typeOf(s store.Stream, r store.Revocation) string {
	about, types := subjectOf(r.Target), delivered(s)
	switch {
	case about == nil:
		return ""
	case about.Format == "iss_sub" && r.IssuedBefore.IsZero() && slices.Contains(types, accountDisabled):
		return accountDisabled // tokens to come are refused as well
	case slices.Contains(types, sessionRevoked):
		return sessionRevoked
	default:
		return ""
	}
}

// event returns the event that a stream has of a revocation, or nil if it has none.
func (t *Transmitter) event(ctx context.Context, s store.Stream, r store.Revocation) *claims {
	eventType := typeOf(s, r)
	if eventType == "" {
		return nil
	}
	r.Target.Subject = t.subjectOf(ctx, r.Target)
	return claimsOf(t.config.Issuer, s, r, eventType, t.now())
}

// subjectOf returns whose session is revoked, also where everybody's is that has this ID: some
// receivers know users alone. It is "" where nobody was seen in the session, or several.
func (t *Transmitter) subjectOf(ctx context.Context, target store.Target) string {
	if target.Kind != revocation.TargetSession.String() || target.Subject != "" {
		return target.Subject
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	seen, err := t.config.Store.Sessions(ctx, store.List(store.View{{Issuer: target.Issuer, ID: target.Value}}), 2)
	if err != nil || len(seen) != 1 {
		return ""
	}
	return seen[0].Subject
}

// claimsOf returns the claims of an event. They have the same ID each time.
func claimsOf(issuer string, s store.Stream, r store.Revocation, eventType string, now time.Time) *claims {
	return &claims{
		Issuer: issuer, ID: eventID(s, r), IssuedAt: now.Unix(), Audience: s.Audience, Cause: base64.RawURLEncoding.EncodeToString(r.ID[:]),
		Subject: subjectOf(r.Target),
		Events: map[string]any{eventType: revoked{
			At:          happened(r).Add(time.Second - time.Nanosecond).Unix(), // later than the tokens of the same second
			ReasonAdmin: map[string]string{"en": "Revoked at " + issuer},
		}},
	}
}

// signalMargin is by how much package signals revokes what was issued later than a message
// says.
const signalMargin = 2 * time.Second

// happened returns when something ended. Where an issuer has said so, that is the time that
// it has said: of two servers that receive each other's events, each would otherwise revoke
// a little more than the other, again and again.
func happened(r store.Revocation) time.Time {
	until := r.IssuedBefore
	if !until.IsZero() && r.Origin.Kind == store.OriginSignal {
		until = until.Add(-signalMargin)
	}
	if until.IsZero() || until.After(r.CreatedAt) {
		return r.CreatedAt
	}
	return until
}

// eventID returns the jti of the event that a stream has of a revocation.
func eventID(s store.Stream, r store.Revocation) string {
	sum := sha256.Sum256(append([]byte(s.ID+" "), r.ID[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// subjectOf returns nil for a target of a kind that is not known here.
func subjectOf(t store.Target) *subject {
	kind, _ := revocation.ParseTargetKind(t.Kind)
	switch kind {
	case revocation.TargetSession:
		if t.Subject == "" {
			return &subject{Format: "complex", Session: opaque(t.Value), Tenant: opaque(t.Issuer)}
		}
		return &subject{Format: "complex", Session: opaque(t.Value), User: issued(t.Issuer, t.Subject)}
	case revocation.TargetSubject, revocation.TargetMachine:
		return issued(t.Issuer, t.Value)
	case revocation.TargetToken:
		return &subject{Format: "jwt_id", Issuer: t.Issuer, TokenID: t.Value}
	case revocation.TargetClient:
		return &subject{Format: "complex", Application: issued(t.Issuer, t.Value)}
	case revocation.TargetOrganization:
		return &subject{Format: "complex", OrgUnit: issued(t.Issuer, t.Value)}
	case revocation.TargetMember:
		return &subject{Format: "complex", User: issued(t.Issuer, t.Subject), OrgUnit: issued(t.Issuer, t.Value)}
	case revocation.TargetIssuer:
		return &subject{Format: "complex", Tenant: opaque(t.Issuer)}
	default:
		return nil
	}
}

// aboutStream returns an event about the stream itself.
func aboutStream(issuer string, s store.Stream, id, eventType string, event any, now time.Time) *claims {
	return &claims{Issuer: issuer, ID: id, IssuedAt: now.Unix(), Audience: s.Audience, Subject: opaque(s.ID), Events: map[string]any{eventType: event}}
}
