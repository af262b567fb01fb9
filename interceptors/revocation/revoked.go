package revocation

import (
	"math"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Revoked returns an *auth.Error with the reason TOKEN_REVOKED when the token of
// the identity is revoked: by its session, its subject, its id, its client or
// its issuer. Where the caller is impersonated, so it is by the session or the
// subject of who really acts (RFC 8693, section 4.1).
func (l *List) Revoked(id *auth.Identity) error {
	if kind := l.find(id); kind != 0 {
		return auth.Errorf(auth.TokenRevoked, "by its %v", kind)
	}
	return nil
}

// find returns what the token is revoked by, or 0.
func (l *List) find(id *auth.Identity) Kind {
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
		return Session
	case l.holds(Subject, in, id.Subject, issued):
		return Subject
	case l.holds(Token, in, id.TokenID, issued):
		return Token
	case l.holds(Client, in, id.ClientID, issued),
		id.Kind == auth.KindMachine && l.holds(Client, in, id.Subject, issued):
		return Client
	case l.holds(Issuer, in, "", issued):
		return Issuer
	case id.Actor != nil:
		return l.findActor(id, issued)
	default:
		return 0
	}
}

func (l *List) findActor(id *auth.Identity, issued int64) Kind {
	issuer := id.Actor.Issuer
	if issuer == "" {
		issuer = id.Issuer
	}
	in := scopeOf(l.seed, issuer)
	switch {
	case l.holdsSession(in, id.Actor.Subject, id.Actor.SessionID, issued):
		return Session
	case l.holds(Subject, in, id.Actor.Subject, issued):
		return Subject
	default:
		return 0
	}
}

// holdsSession looks for the session of this subject, and of whatever subject.
func (l *List) holdsSession(in scope, subject, id string, issued int64) bool {
	if l.tables[Session].Load() == nil {
		return false
	}
	return l.holds(Session, in, id, issued) || l.holds(Session, in.of(l.seed, subject), id, issued)
}

// holds looks at the clock only where there is an entry. An id that the token
// does not have is empty, and names nothing.
func (l *List) holds(kind Kind, in scope, id string, issued int64) bool {
	if id == "" && kind != Issuer {
		return false
	}
	e := l.tables[kind].Load().find(in, id)
	return e != nil && issued < e.before && l.now().UnixMicro() < e.expires
}
