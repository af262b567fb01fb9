package ledger

import (
	"context"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// EndsAtIssuer reports whether sessions of an issuer are ended there, too.
func (l *Ledger) EndsAtIssuer(issuer string) bool { return l.config.Enders[issuer] != nil }

// ResumeSignOuts has the issuer asked again at once to end sessions, if it is left alone for a while.
func (l *Ledger) ResumeSignOuts(issuer string) { l.outbox.Resume(issuer) }

// endsForGood reports whether a revocation ends a session, with its tokens to come.
func endsForGood(r store.Revocation) bool {
	return r.Target.Kind == revocation.TargetSession.String() && r.IssuedBefore.IsZero()
}

// signOuts returns what issuers are asked for where revocations end sessions. An issuer that
// has said so itself is not asked, nor one whose sessions are imported, mostly from it, nor for what a database had lost.
func (l *Ledger) signOuts(origin string, revocations []store.Revocation) []store.SignOut {
	if origin == store.OriginImport || origin == store.OriginSystem {
		return nil
	}
	now := l.now()
	var all []store.SignOut
	for _, r := range revocations {
		if !endsForGood(r) || !l.EndsAtIssuer(r.Target.Issuer) {
			continue
		}
		signOut := store.SignOut{Issuer: r.Target.Issuer, SessionID: r.Target.Value, Subject: r.Target.Subject, CreatedAt: now, ExpiresAt: r.ExpiresAt, DueAt: now}
		if origin == store.OriginSignal {
			signOut.DueAt, signOut.EndedAt = time.Time{}, now
		}
		all = append(all, signOut)
	}
	return all
}

// SignOut has sessions ended at their issuers that revocations have ended here, where that
// was not requested before, or was refused. An error is the answer to the caller.
func (l *Ledger) SignOut(ctx context.Context, ended ...store.Revocation) error {
	signOuts := l.signOuts(store.OriginCaller, ended)
	if len(signOuts) == 0 {
		return nil
	}
	if _, err := l.save(ctx, nil, nil, signOuts...); err != nil {
		return err
	}
	l.outbox.Wake()
	return nil
}

// SignOutStates returns what the issuers know of the end of sessions that have ended here,
// in the same order. Only Issuer, SessionID and Subject of each matter. An error is the
// answer to the caller.
func (l *Ledger) SignOutStates(ctx context.Context, ended ...store.SignOut) ([]sessionv1.IssuerSignOut, error) {
	if len(ended) == 0 {
		return nil, nil
	}
	named := make([]store.SignOut, 0, 2*len(ended))
	for _, s := range ended {
		its := store.SignOut{Issuer: s.Issuer, SessionID: s.SessionID, Subject: s.Subject}
		anybodys := its
		anybodys.Subject = ""
		named = append(named, its, anybodys)
	}
	found, err := l.store.SignOuts(ctx, named)
	if err != nil {
		return nil, l.Unavailable(ctx, err)
	}
	kept := make(map[store.SignOut]store.SignOut, len(found)) // by name
	for _, s := range found {
		kept[store.SignOut{Issuer: s.Issuer, SessionID: s.SessionID, Subject: s.Subject}] = s
	}
	states := make([]sessionv1.IssuerSignOut, len(ended))
	for i, s := range ended {
		its, requested := kept[named[2*i]]
		anybodys, alsoRequested := kept[named[2*i+1]]
		switch {
		case its.Ended() || anybodys.Ended():
			states[i] = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_DONE
		case !l.EndsAtIssuer(s.Issuer):
			states[i] = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_CONFIGURED
		case !requested && !alsoRequested:
			states[i] = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_REQUESTED
		case its.Pending() || anybodys.Pending():
			states[i] = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING
		default:
			states[i] = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_REFUSED
		}
	}
	return states, nil
}

// addSignedOut adds events of a session that has ended at its issuer.
func (l *Ledger) addSignedOut(ctx context.Context, issuer, id string) {
	for page, err := range l.pages(ctx, store.View{{Issuer: issuer, ID: id}}) {
		if err != nil {
			return // those who watch see it when they list the sessions
		}
		events := make([]*Event, len(page))
		for i, s := range page {
			events[i] = &Event{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_CHANGED, Before: s, After: s, Time: l.now()}
		}
		l.events.add(events...)
	}
}
