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

// EndSession revokes a session with all its tokens to come. It returns nil where
// the session is revoked for long enough already. An error is the answer to the
// caller.
func (l *Ledger) EndSession(ctx context.Context, by *auth.Identity, issuer, id, cause string) (*store.Revocation, error) {
	end, lasts, err := l.ending(ctx, issuer, id, cause)
	if err != nil || lasts {
		return nil, err
	}
	saved, err := l.Revoke(ctx, by, end)
	if err != nil {
		return nil, err
	}
	return &saved[0], nil
}

// EndSubject revokes all tokens that a subject has, and its sessions with all
// their tokens to come. It returns the revocation of the tokens, and how many
// sessions it ended. An error is the answer to the caller.
func (l *Ledger) EndSubject(ctx context.Context, by *auth.Identity, issuer, subject, cause string) (*store.Revocation, int, error) {
	everything, err := l.prepare(Request{Revocation: revocation.Revocation{Kind: revocation.Subject, Issuer: issuer, ID: subject}, Cause: cause})
	if err != nil {
		return nil, 0, err
	}
	seen, err := l.notEnded(ctx, issuer, subject, cause)
	if err != nil {
		return nil, 0, err
	}
	saved, err := l.Revoke(ctx, by, append([]Request{everything}, seen...)...)
	if err != nil {
		return nil, 0, err
	}
	// More of them may have been seen in the meantime. A caller who goes away now
	// could not ask again with the same token.
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	late, err := l.notEnded(uncut, issuer, subject, cause)
	if err == nil && len(late) > 0 {
		_, err = l.Revoke(uncut, by, late...)
	}
	if err != nil {
		return nil, 0, err
	}
	return &saved[0], len(seen) + len(late), nil
}

// notEnded returns the requests that end the sessions of a subject which are not
// ended yet.
func (l *Ledger) notEnded(ctx context.Context, issuer, subject, cause string) ([]Request, error) {
	l.Flush(ctx)
	var seen []store.Session
	err := l.eachSession(ctx, store.View{{Issuer: issuer, Subject: subject}}, func(session store.Session) {
		seen = append(seen, session)
	})
	if err != nil {
		return nil, l.unavailable(ctx, err)
	}
	var requests []Request
	for _, session := range seen {
		end, lasts, err := l.ending(ctx, session.Issuer, session.ID, cause)
		if err != nil {
			return nil, err
		}
		if !lasts {
			requests = append(requests, end)
		}
	}
	return requests, nil
}

// ending returns the request that ends a session, and whether the session is
// ended for long enough already: for at least half of the time that the request
// would give it. To revoke it again would only fill the store; but where less is
// left, the session could come back alive after its end was reported.
func (l *Ledger) ending(ctx context.Context, issuer, id, cause string) (end Request, lasts bool, err error) {
	end, err = l.prepare(Request{Revocation: revocation.Revocation{Kind: revocation.Session, Issuer: issuer, ID: id}, Cause: cause})
	if err != nil {
		return Request{}, false, err
	}
	now := l.config.Now()
	toCome := &auth.Identity{Issuer: issuer, SessionID: id, IssuedAt: now.Add(365 * 24 * time.Hour)}
	if l.revoked.Revoked(toCome) == nil {
		return end, false, nil
	}
	until, err := l.store.RevokedUntil(ctx, end.Kind.String(), issuer, id)
	if err != nil {
		return Request{}, false, l.unavailable(ctx, err)
	}
	return end, until.Sub(now) > end.Expires.Sub(now)/2, nil
}

// prepare is Prepare, with the error that answers the caller.
func (l *Ledger) prepare(r Request) (Request, error) {
	prepared, err := l.Prepare(r)
	if err != nil {
		return Request{}, rpcerror.New(connect.CodeInvalidArgument, "%w", err)
	}
	return prepared, nil
}
