package revocation

import (
	"math"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logtext"
)

// Revoked returns an *auth.Error with the reason TOKEN_REVOKED if the token of the
// identity is revoked: by its session, its subject, its ID, its client, its machine, its
// organization, its subject as a member of that, or its issuer. The token of an
// impersonated caller is also revoked by the session or the subject of its actor.
// TargetMember does not mean the actor: act says only who acts (RFC 8693, section 4.1),
// and the organization is the one in which the subject of the token acts.
//
// Where tokens are revoked that are issued until a moment to come, as those of a subject
// that was signed out just now, the error says in RetryAfter when a token that is
// issued then is accepted.
func (l *List) Revoked(id *auth.Identity) error {
	kind, e := l.find(id)
	if e == nil {
		return nil
	}
	refusal := auth.NewError(auth.TokenRevoked, &RevokedError{e.revocation(kind)})
	if wait := l.untilAccepted(e); wait > 0 {
		refusal.RetryAfter = wait
		refusal.Message = "tokens issued until a moment ago were revoked; if you have just signed in, " +
			"take a fresh token or sign in again in a few seconds"
	}
	return refusal
}

// A RevokedError is the cause of a TOKEN_REVOKED: the revocation by which a token is refused. It is
// for logs, and for finding out who has revoked it; errors.AsType finds it in the refusal.
type RevokedError struct{ Revocation Revocation }

// Error says by what the token is revoked.
func (e *RevokedError) Error() string {
	r := e.Revocation
	text := "by its " + r.Kind.String()
	if r.ID != "" {
		text += " " + logtext.Quoted(r.ID)
	}
	if r.Subject != "" {
		text += " of the subject " + logtext.Quoted(r.Subject)
	}
	text += " at " + logtext.Quoted(r.Issuer)
	if r.Before.IsZero() {
		return text + ", every token"
	}
	return text + ", tokens issued before " + logtext.Time(r.Before)
}

// untilAccepted returns how long it takes until tokens are accepted that are issued then;
// 0 if there is nothing to wait for. Most tokens have whole seconds in iat.
func (l *List) untilAccepted(e *entry) time.Duration {
	if e.before == math.MaxInt64 {
		return 0
	}
	second := time.UnixMicro(e.before).Add(time.Second - time.Microsecond).Truncate(time.Second)
	return max(second.Sub(l.now()), 0)
}

// find returns the entry that the token is revoked by, and the kind of its target; nil
// if there is none.
func (l *List) find(id *auth.Identity) (TargetKind, *entry) {
	if id == nil {
		return 0, nil
	}
	issued := int64(math.MinInt64) // a token that does not say counts as old
	if !id.IssuedAt.IsZero() {
		issued = id.IssuedAt.UnixMicro()
	}
	in := scopeOf(l.seed, id.Issuer)
	if e := l.findSession(in, id.Subject, id.SessionID, issued); e != nil {
		return TargetSession, e
	}
	if e := l.findIn(TargetSubject, in, id.Subject, issued); e != nil {
		return TargetSubject, e
	}
	if e := l.findIn(TargetToken, in, id.TokenID, issued); e != nil {
		return TargetToken, e
	}
	if e := l.findIn(TargetClient, in, id.ClientID, issued); e != nil {
		return TargetClient, e
	}
	if id.Kind == auth.KindMachine {
		if e := l.findIn(TargetMachine, in, id.Subject, issued); e != nil {
			return TargetMachine, e
		}
	}
	if organization := id.Organization.ID; organization != "" {
		if kind, e := l.findOrganization(in, id.Subject, organization, issued); e != nil {
			return kind, e
		}
	}
	if e := l.findIn(TargetIssuer, in, "", issued); e != nil {
		return TargetIssuer, e
	}
	if id.Actor != nil {
		return l.findActor(id, issued)
	}
	return 0, nil
}

func (l *List) findActor(id *auth.Identity, issued int64) (TargetKind, *entry) {
	issuer := id.Actor.Issuer
	if issuer == "" {
		issuer = id.Issuer
	}
	in := scopeOf(l.seed, issuer)
	if e := l.findSession(in, id.Actor.Subject, id.Actor.SessionID, issued); e != nil {
		return TargetSession, e
	}
	return TargetSubject, l.findIn(TargetSubject, in, id.Actor.Subject, issued)
}

// findSession looks up the session for this subject, and for any subject.
func (l *List) findSession(in scope, subject, id string, issued int64) *entry {
	if l.tables[TargetSession].Load() == nil {
		return nil
	}
	if e := l.findIn(TargetSession, in, id, issued); e != nil {
		return e
	}
	return l.findIn(TargetSession, in.of(l.seed, subject), id, issued)
}

// findOrganization looks up the organization, and the subject as its member.
func (l *List) findOrganization(in scope, subject, id string, issued int64) (TargetKind, *entry) {
	if e := l.findIn(TargetOrganization, in, id, issued); e != nil {
		return TargetOrganization, e
	}
	if l.tables[TargetMember].Load() == nil {
		return 0, nil
	}
	return TargetMember, l.findIn(TargetMember, in.of(l.seed, subject), id, issued)
}

// findIn returns the entry that revokes a token, or nil. It reads the clock only if there
// is an entry. The ID is empty where the token has no such claim.
func (l *List) findIn(kind TargetKind, in scope, id string, issued int64) *entry {
	if id == "" && kind != TargetIssuer {
		return nil
	}
	t := l.tables[kind].Load()
	if t == nil { // as of most kinds
		return nil
	}
	e := t.find(in, id)
	if e == nil || issued >= e.before || l.now().UnixMicro() >= e.expires {
		return nil
	}
	return e
}
