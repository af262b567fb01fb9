package server

import (
	"cmp"
	"context"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// RevokeSession implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSession(ctx context.Context, req *sessionv1.RevokeSessionRequest) (*sessionv1.RevokeSessionResponse, error) {
	id := auth.MustFromContext(ctx)
	issuer, sessionID := cmp.Or(req.GetIssuer(), id.Issuer), cmp.Or(req.GetSessionId(), id.SessionID)
	if sessionID == "" {
		return nil, invalid("session_id", "missing, and your own token belongs to no session; name one")
	}
	// One's own session, or any to an operator, need not have been seen.
	isOwn := issuer == id.Issuer && sessionID == id.SessionID
	if !isOwn && !s.operators.include(id) {
		if _, err := s.find(ctx, id, issuer, sessionID); err != nil {
			return nil, err
		}
		if err := requireInPerson(id); err != nil {
			return nil, err
		}
	}
	order, lasts, err := s.ending(ctx, issuer, sessionID, req.GetCause())
	if err != nil {
		return nil, err
	}
	if lasts {
		return &sessionv1.RevokeSessionResponse{}, nil
	}
	revoked, err := s.ledger.revoke(ctx, id, order)
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSessionResponse{Revocation: revocationMessage(revoked[0])}, nil
}

// RevokeSubject implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSubject(ctx context.Context, req *sessionv1.RevokeSubjectRequest) (*sessionv1.RevokeSubjectResponse, error) {
	id := auth.MustFromContext(ctx)
	issuer, subject := cmp.Or(req.GetIssuer(), id.Issuer), cmp.Or(req.GetSubject(), id.Subject)
	if err := s.operators.maySignOut(id, issuer, subject); err != nil {
		return nil, err
	}
	everything, err := s.prepare(order{
		Revocation: revocation.Revocation{Kind: revocation.Subject, Issuer: issuer, ID: subject},
		cause:      req.GetCause(),
	})
	if err != nil {
		return nil, err
	}
	seen, err := s.notEnded(ctx, issuer, subject, req.GetCause())
	if err != nil {
		return nil, err
	}
	revoked, err := s.ledger.revoke(ctx, id, append([]order{everything}, seen...)...)
	if err != nil {
		return nil, err
	}
	// More of them may have been seen in the meantime. A caller who goes away now
	// could not ask again with the same token.
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	late, err := s.notEnded(uncut, issuer, subject, req.GetCause())
	if err == nil && len(late) > 0 {
		_, err = s.ledger.revoke(uncut, id, late...)
	}
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSubjectResponse{Revocation: revocationMessage(revoked[0]), Sessions: int64(len(seen) + len(late))}, nil
}

// notEnded returns what ends the sessions of a subject that are not ended.
func (s *sessionService) notEnded(ctx context.Context, issuer, subject, cause string) ([]order, error) {
	s.ledger.saveSightings(ctx)
	var seen []store.Session
	err := s.ledger.eachSession(ctx, store.View{{Issuer: issuer, Subject: subject}}, func(session store.Session) {
		seen = append(seen, session)
	})
	if err != nil {
		return nil, s.ledger.unavailable(ctx, err)
	}
	var orders []order
	for _, session := range seen {
		o, lasts, err := s.ending(ctx, session.Issuer, session.ID, cause)
		if err != nil {
			return nil, err
		}
		if !lasts {
			orders = append(orders, o)
		}
	}
	return orders, nil
}

// ending returns what ends a session, and whether it is ended for long enough
// already.
func (s *sessionService) ending(ctx context.Context, issuer, sessionID, cause string) (o order, lasts bool, err error) {
	o, err = s.prepare(order{
		Revocation: revocation.Revocation{Kind: revocation.Session, Issuer: issuer, ID: sessionID},
		cause:      cause,
	})
	if err != nil {
		return order{}, false, err
	}
	lasts, err = s.ledger.lasts(ctx, o)
	return o, lasts, err
}

// prepare is the ledger's, with the error that a caller gets.
func (s *sessionService) prepare(o order) (order, error) {
	prepared, err := s.ledger.prepare(o)
	if err != nil {
		return order{}, callErrorf(connect.CodeInvalidArgument, "%w", err)
	}
	return prepared, nil
}
