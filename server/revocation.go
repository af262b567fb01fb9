package server

import (
	"cmp"
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// revocationService implements RevocationService for both transports. Each
// method asks first whether the caller is an operator.
type revocationService struct {
	ledger    *ledger
	operators operators
}

// A revocationPlace is the last revocation of a page.
type revocationPlace struct {
	Sequence int64 `json:"n"`
}

// ListRevocations implements both the connect and the grpc-go interface.
func (s *revocationService) ListRevocations(ctx context.Context, req *revocationv1.ListRevocationsRequest) (*revocationv1.ListRevocationsResponse, error) {
	if err := s.operators.require(auth.MustFromContext(ctx)); err != nil {
		return nil, err
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	after, err := readPageToken[revocationPlace](req.GetPageToken())
	if err != nil {
		return nil, err
	}
	page, err := s.ledger.store.Revocations(ctx, after.Sequence, size+1)
	if err != nil {
		return nil, s.ledger.unavailable(ctx, err)
	}
	res := new(revocationv1.ListRevocationsResponse)
	if len(page) > size {
		page = page[:size]
		res.NextPageToken, err = pageToken(revocationPlace{page[size-1].Sequence})
	}
	for _, r := range page {
		res.Revocations = append(res.Revocations, revocationMessage(r))
	}
	return res, err
}

// RevokeTokens implements both the connect and the grpc-go interface.
func (s *revocationService) RevokeTokens(ctx context.Context, req *revocationv1.RevokeTokensRequest) (*revocationv1.RevokeTokensResponse, error) {
	id := auth.MustFromContext(ctx)
	if err := s.operators.require(id); err != nil {
		return nil, err
	}
	order, err := s.order(req.GetRevocation(), id)
	if err != nil {
		return nil, callErrorf(connect.CodeInvalidArgument, "revocation: %w", err)
	}
	revoked, err := s.ledger.revoke(ctx, id, order)
	if err != nil {
		return nil, err
	}
	return &revocationv1.RevokeTokensResponse{Revocation: revocationMessage(revoked[0])}, nil
}

// maxAhead is how far ahead of ours the clock may be of whoever says now.
const maxAhead = time.Minute

// order reads and completes what a caller wants to have revoked.
func (s *revocationService) order(asked *revocationv1.NewRevocation, by *auth.Identity) (order, error) {
	target := asked.GetTarget()
	o := order{
		Revocation: revocation.Revocation{
			Kind:   kindOf(target.GetKind()),
			Issuer: cmp.Or(target.GetIssuer(), by.Issuer),
			ID:     target.GetId(),
		},
		cause: asked.GetCause(),
	}
	if before := target.GetIssuedBefore(); before != nil {
		o.Before = before.AsTime()
		latest := s.ledger.issuedByNow(o.Issuer).Add(maxAhead)
		if before.CheckValid() != nil || o.Before.UnixMicro() <= 0 || o.Before.After(latest) {
			return order{}, errors.New("issued_before: lies in the future, or is no time; write an instant up to now, or leave it out")
		}
	}
	return s.ledger.prepare(o)
}

// kinds are the same on the wire, in this order.
var kinds = [...]revocationv1.Kind{
	revocation.Session: revocationv1.Kind_KIND_SESSION,
	revocation.Subject: revocationv1.Kind_KIND_SUBJECT,
	revocation.Token:   revocationv1.Kind_KIND_TOKEN,
	revocation.Client:  revocationv1.Kind_KIND_CLIENT,
	revocation.Issuer:  revocationv1.Kind_KIND_ISSUER,
}

// kindOf returns 0, which is refused, for a kind that it does not know.
func kindOf(message revocationv1.Kind) revocation.Kind {
	for kind, m := range kinds {
		if m == message {
			return revocation.Kind(kind)
		}
	}
	return 0
}

func revocationMessage(r store.Revocation) *revocationv1.Revocation {
	target := &revocationv1.Target{Issuer: r.Issuer, Id: r.Value}
	if kind, err := revocation.ParseKind(r.Kind); err == nil {
		target.Kind = kinds[kind]
	}
	if !r.IssuedBefore.IsZero() {
		target.IssuedBefore = timestamppb.New(r.IssuedBefore)
	}
	return &revocationv1.Revocation{
		Sequence:  r.Sequence,
		Target:    target,
		ExpiresAt: timestamppb.New(r.ExpiresAt),
		CreatedAt: timestamppb.New(r.CreatedAt),
		RevokedBy: &revocationv1.Party{Issuer: r.By.Issuer, Subject: r.By.Subject, Actor: r.By.Actor},
		Cause:     r.Cause,
	}
}
