package ledger

import (
	"cmp"
	"context"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A State says whether a session goes on.
type State struct {
	State sessionv1.SessionState
	// Revocation is what ended the session. It is nil while it is not revoked.
	Revocation *store.Revocation
	// SignOut is what the session's issuer knows of its end.
	SignOut sessionv1.IssuerSignOut
}

// States returns the states of sessions, in the same order. An error is the answer to
// the caller.
func (l *Ledger) States(ctx context.Context, sessions ...store.Session) ([]State, error) {
	states := make([]State, len(sessions))
	var targets []store.Target
	for i, s := range sessions {
		if states[i].State = l.state(s); states[i].State == sessionv1.SessionState_SESSION_STATE_REVOKED {
			targets = append(targets, targetsOf(s)...)
		}
	}
	standing, err := l.standing(ctx, targets)
	if err != nil {
		return nil, err
	}
	var ended []int // in states, where the session itself was ended
	var signOuts []store.SignOut
	for i, s := range sessions {
		if states[i].State != sessionv1.SessionState_SESSION_STATE_REVOKED {
			continue
		}
		for _, target := range targetsOf(s) {
			if r, ok := standing[target]; ok && covers(r, s) {
				states[i].Revocation = &r
				if endsForGood(r) && r.Target.Value == s.ID {
					ended, signOuts = append(ended, i), append(signOuts, store.SignOut{Issuer: s.Issuer, SessionID: s.ID, Subject: s.Subject})
				}
				break
			}
		}
	}
	atIssuer, err := l.SignOutStates(ctx, signOuts...)
	if err != nil {
		return nil, err
	}
	for n, i := range ended {
		states[i].SignOut = atIssuer[n]
	}
	return states, nil
}

// state returns the state of a session now.
func (l *Ledger) state(s store.Session) sessionv1.SessionState {
	switch expiry := s.Token.ExpiresAt; {
	case l.Revoked(s):
		return sessionv1.SessionState_SESSION_STATE_REVOKED
	case !expiry.IsZero() && !l.config.Now().Before(expiry.Add(l.config.Skews[s.Issuer])):
		return sessionv1.SessionState_SESSION_STATE_EXPIRED
	default:
		return sessionv1.SessionState_SESSION_STATE_ACTIVE
	}
}

// Revoked reports whether the newest token of a session is revoked.
func (l *Ledger) Revoked(s store.Session) bool {
	id := &auth.Identity{
		Issuer: s.Issuer, Subject: s.Subject, SessionID: s.ID,
		TokenID: s.Token.ID, ClientID: s.Token.ClientID, IssuedAt: s.Token.IssuedAt,
		Organization: auth.Organization{ID: s.Organization},
	}
	if actor := s.Token.Actor; actor != (store.Actor{}) {
		id.Actor = &auth.Actor{Issuer: actor.Issuer, Subject: actor.Subject, SessionID: actor.SessionID, Type: actor.Type}
	}
	return l.revoked.Revoked(id) != nil
}

// targetsOf returns what the newest token of a session can be revoked by: the session
// first.
func targetsOf(s store.Session) []store.Target {
	var targets []store.Target
	add := func(kind revocation.TargetKind, issuer, value, subject string) {
		if value != "" || kind == revocation.TargetIssuer {
			targets = append(targets, store.Target{Kind: kind.String(), Issuer: issuer, Value: value, Subject: subject})
		}
	}
	add(revocation.TargetSession, s.Issuer, s.ID, s.Subject)
	add(revocation.TargetSession, s.Issuer, s.ID, "")
	add(revocation.TargetSubject, s.Issuer, s.Subject, "")
	add(revocation.TargetToken, s.Issuer, s.Token.ID, "")
	add(revocation.TargetClient, s.Issuer, s.Token.ClientID, "")
	add(revocation.TargetOrganization, s.Issuer, s.Organization, "")
	add(revocation.TargetMember, s.Issuer, s.Organization, s.Subject)
	add(revocation.TargetIssuer, s.Issuer, "", "")
	actor := s.Token.Actor
	issuer := cmp.Or(actor.Issuer, s.Issuer)
	add(revocation.TargetSession, issuer, actor.SessionID, actor.Subject)
	add(revocation.TargetSession, issuer, actor.SessionID, "")
	add(revocation.TargetSubject, issuer, actor.Subject, "")
	return targets
}

// covers reports whether a revocation of one of its targets means the newest token of
// a session.
func covers(r store.Revocation, s store.Session) bool {
	return r.IssuedBefore.IsZero() || s.Token.IssuedAt.IsZero() || s.Token.IssuedAt.Before(r.IssuedBefore)
}
