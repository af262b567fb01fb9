package ledger

import (
	"context"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// End revokes sessions, with their future tokens. It reads only Issuer, ID and
// Subject of each; an empty Subject means the sessions by that ID of every subject.
// It returns one revocation for each session that was not already revoked for long
// enough. An error is the answer to the caller.
func (l *Ledger) End(ctx context.Context, by *auth.Identity, cause string, sessions ...store.Session) ([]store.Revocation, error) {
	ends, err := l.notEnded(ctx, cause, sessions)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	return l.Revoke(ctx, by, ends...)
}

// EndSubject revokes all tokens that a subject has, and its sessions with all
// their tokens to come. It returns the revocation of the tokens, and how many
// sessions it ended. An error is the answer to the caller.
func (l *Ledger) EndSubject(ctx context.Context, by *auth.Identity, issuer, subject, cause string) (*store.Revocation, int, error) {
	everything, err := l.prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: subject}, Cause: cause})
	if err != nil {
		return nil, 0, err
	}
	ends, err := l.endsOf(ctx, issuer, subject, cause)
	if err != nil {
		return nil, 0, err
	}
	saved, err := l.Revoke(ctx, by, append([]Request{everything}, ends...)...)
	if err != nil {
		return nil, 0, err
	}
	// More of them may have been seen in the meantime. A caller who goes away now
	// could not ask again with the same token.
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	late, err := l.endsOf(uncut, issuer, subject, cause)
	if err == nil && len(late) > 0 {
		_, err = l.Revoke(uncut, by, late...)
	}
	if err != nil {
		return nil, 0, err
	}
	return &saved[0], len(ends) + len(late), nil
}

// endsOf returns the requests that end the sessions of a subject.
func (l *Ledger) endsOf(ctx context.Context, issuer, subject, cause string) ([]Request, error) {
	l.Flush(ctx)
	var sessions []store.Session
	err := l.eachSession(ctx, store.View{{Issuer: issuer, Subject: subject}}, func(session store.Session) {
		sessions = append(sessions, session)
	})
	if err != nil {
		return nil, l.unavailable(ctx, err)
	}
	return l.notEnded(ctx, cause, sessions)
}

// notEnded returns the requests that end those of the sessions which are not
// ended for long enough already.
func (l *Ledger) notEnded(ctx context.Context, cause string, sessions []store.Session) ([]Request, error) {
	var ends []Request
	for _, session := range sessions {
		end, err := l.prepare(Request{
			Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: session.Issuer, ID: session.ID, Subject: session.Subject},
			Cause:      cause,
		})
		if err != nil {
			return nil, err
		}
		lasts, err := l.lasts(ctx, end)
		if err != nil {
			return nil, err
		}
		if !lasts {
			ends = append(ends, end)
		}
	}
	return ends, nil
}

// lasts reports whether a session is revoked already for at least half of the
// time that the request would give it. To revoke it again would only fill the
// store; but where less is left, the session could come back alive after its end
// was reported.
func (l *Ledger) lasts(ctx context.Context, end Request) (bool, error) {
	now := l.config.Now()
	toCome := &auth.Identity{Issuer: end.Issuer, SessionID: end.ID, Subject: end.Subject, IssuedAt: now.Add(365 * 24 * time.Hour)}
	if l.revoked.Revoked(toCome) == nil {
		return false, nil
	}
	until, err := l.store.RevokedUntil(ctx, store.Revocation{Kind: end.Kind.String(), Issuer: end.Issuer, Value: end.ID, Subject: end.Subject})
	if err != nil {
		return false, l.unavailable(ctx, err)
	}
	return until.Sub(now) > end.Expires.Sub(now)/2, nil
}

// prepare is Prepare, with the error that answers the caller.
func (l *Ledger) prepare(r Request) (Request, error) {
	prepared, err := l.Prepare(r)
	if err != nil {
		return Request{}, rpcerror.New(connect.CodeInvalidArgument, "%w", err)
	}
	return prepared, nil
}
