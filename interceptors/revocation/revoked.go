package revocation

import (
	"math"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Revoked returns an *auth.Error with the reason TOKEN_REVOKED if the token of the
// identity is revoked: by its session, its subject, its ID, its client, its machine or its issuer.
// The token of an impersonated caller is also revoked by the session or the subject
// of its actor (RFC 8693, section 4.1).
func (l *List) Revoked(id *auth.Identity) error {
	if kind := l.find(id); kind != 0 {
		return auth.Errorf(auth.TokenRevoked, "by its %v", kind)
	}
	return nil
}

// find returns the kind of the target that the token is revoked by, or 0.
func (l *List) find(id *auth.Identity) TargetKind {
	if id == nil {
		return 0
	}
	issued := int64(math.MinInt64) // a token that does not say counts as old
	if !id.IssuedAt.IsZero() {
		issued = id.IssuedAt.UnixMicro()
	}
	in := scopeOf(l.seed, id.Issuer)
	switch {
	case l.holdsSession(in, id.Subject, id.SessionID, issued):
		return TargetSession
	case l.holds(TargetSubject, in, id.Subject, issued):
		return TargetSubject
	case l.holds(TargetToken, in, id.TokenID, issued):
		return TargetToken
	case l.holds(TargetClient, in, id.ClientID, issued):
		return TargetClient
	case id.Kind == auth.KindMachine && l.holds(TargetMachine, in, id.Subject, issued):
		return TargetMachine
	case l.holds(TargetIssuer, in, "", issued):
		return TargetIssuer
	case id.Actor != nil:
		return l.findActor(id, issued)
	default:
		return 0
	}
}

func (l *List) findActor(id *auth.Identity, issued int64) TargetKind {
	issuer := id.Actor.Issuer
	if issuer == "" {
		issuer = id.Issuer
	}
	in := scopeOf(l.seed, issuer)
	switch {
	case l.holdsSession(in, id.Actor.Subject, id.Actor.SessionID, issued):
		return TargetSession
	case l.holds(TargetSubject, in, id.Actor.Subject, issued):
		return TargetSubject
	default:
		return 0
	}
}

// holdsSession looks up the session for this subject, and for any subject.
func (l *List) holdsSession(in scope, subject, id string, issued int64) bool {
	if l.tables[TargetSession].Load() == nil {
		return false
	}
	return l.holds(TargetSession, in, id, issued) || l.holds(TargetSession, in.of(l.seed, subject), id, issued)
}

// holds reads the clock only if there is an entry. The ID is empty where the token
// has no such claim.
func (l *List) holds(kind TargetKind, in scope, id string, issued int64) bool {
	if id == "" && kind != TargetIssuer {
		return false
	}
	e := l.tables[kind].Load().find(in, id)
	return e != nil && issued < e.before && l.now().UnixMicro() < e.expires
}
