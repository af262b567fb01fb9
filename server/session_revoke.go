package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

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
	}
	// To end it again would only fill the store.
	if s.ledger.ended(store.Session{Issuer: issuer, ID: sessionID}) {
		return &sessionv1.RevokeSessionResponse{}, nil
	}
	revoked, err := s.revoke(ctx, id, order{
		Revocation: revocation.Revocation{Kind: revocation.Session, Issuer: issuer, ID: sessionID},
		cause:      req.GetCause(),
	})
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSessionResponse{Revocation: revocationMessage(revoked[0])}, nil
}

// RevokeSubject implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSubject(ctx context.Context, req *sessionv1.RevokeSubjectRequest) (*sessionv1.RevokeSubjectResponse, error) {
	id := auth.MustFromContext(ctx)
	issuer, subject := cmp.Or(req.GetIssuer(), id.Issuer), cmp.Or(req.GetSubject(), id.Subject)
	if issuer != id.Issuer || subject != id.Subject {
		if err := s.operators.require(id); err != nil {
			return nil, err
		}
	}
	orders := []order{{
		Revocation: revocation.Revocation{Kind: revocation.Subject, Issuer: issuer, ID: subject, Before: s.ledger.now()},
		cause:      req.GetCause(),
	}}
	s.ledger.saveSightings(ctx)
	err := s.ledger.eachSession(ctx, store.View{{Issuer: issuer, Subject: subject}}, func(session store.Session) {
		if s.ledger.ended(session) {
			return
		}
		orders = append(orders, order{
			Revocation: revocation.Revocation{Kind: revocation.Session, Issuer: issuer, ID: session.ID},
			cause:      req.GetCause(),
		})
	})
	if err != nil {
		return nil, s.ledger.unavailable(ctx, err)
	}
	revoked, err := s.revoke(ctx, id, orders...)
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSubjectResponse{Revocation: revocationMessage(revoked[0]), Sessions: int64(len(revoked) - 1)}, nil
}

// revoke checks what the caller gave and revokes.
func (s *sessionService) revoke(ctx context.Context, by *auth.Identity, orders ...order) ([]store.Revocation, error) {
	for i := range orders {
		if err := checkOrder(orders[i], s.issuers); err != nil {
			return nil, callErrorf(connect.CodeInvalidArgument, "%w", err)
		}
		var err error
		if orders[i], err = s.ledger.prepare(orders[i]); err != nil {
			return nil, callErrorf(connect.CodeInvalidArgument, "%w", err)
		}
	}
	return s.ledger.revoke(ctx, by, orders...)
}

// The longest texts of a revocation that are kept, in bytes.
const (
	maxCause = 500
	maxID    = 2 << 10
)

// checkOrder finds what the list of revocations does not look for.
func checkOrder(o order, issuers []string) error {
	switch {
	case !slices.Contains(issuers, o.Issuer):
		return errors.New("issuer: not one whose tokens are accepted here, so there is nothing to revoke; write the exact iss claim")
	case len(o.ID) > maxID || strings.ContainsFunc(o.ID, isControl):
		return errors.New("id: too long, or with control characters in it, so no token can have it")
	case len(o.cause) > maxCause:
		return errors.New("cause: over 500 bytes; put it shorter")
	default:
		return nil
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
