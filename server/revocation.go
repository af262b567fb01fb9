package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// revocationService implements RevocationService for both transports. Each
// method asks first whether the caller is an operator.
type revocationService struct {
	ledger    *ledger.Ledger
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
	page, more, err := s.ledger.Revocations(ctx, after.Sequence, size)
	if err != nil {
		return nil, err
	}
	res := new(revocationv1.ListRevocationsResponse)
	if more {
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
	request, err := s.request(req.GetRevocation(), id)
	if err != nil {
		return nil, rpcerror.New(connect.CodeInvalidArgument, "revocation: %w", err)
	}
	revoked, err := s.ledger.Revoke(ctx, id, request)
	if err != nil {
		return nil, err
	}
	return &revocationv1.RevokeTokensResponse{Revocation: revocationMessage(revoked[0])}, nil
}

// maxAhead is how far the caller's clock may be ahead of ours.
const maxAhead = time.Minute

// request reads and completes the revocation that a caller asks for.
func (s *revocationService) request(asked *revocationv1.NewRevocation, by *auth.Identity) (ledger.Request, error) {
	target := asked.GetTarget()
	request := ledger.Request{
		Revocation: revocation.Revocation{
			Kind:    kindOf(target.GetKind()),
			Issuer:  cmp.Or(target.GetIssuer(), by.Issuer),
			ID:      target.GetId(),
			Subject: target.GetSubject(),
		},
		Cause: asked.GetCause(),
	}
	if before := target.GetIssuedBefore(); before != nil {
		request.Before = before.AsTime()
		latest := s.ledger.IssuedByNow(request.Issuer).Add(maxAhead)
		if before.CheckValid() != nil || request.Before.UnixMicro() <= 0 || request.Before.After(latest) {
			return ledger.Request{}, errors.New("issued_before: lies in the future, or is no time; write an instant up to now, or leave it out")
		}
	}
	return s.ledger.Prepare(request)
}

// kindOf returns the kind with the name of the schema's value. It returns 0, which
// is refused, for a value that it does not know.
func kindOf(message revocationv1.Kind) revocation.TargetKind {
	kind, _ := revocation.ParseTargetKind(strings.ToLower(strings.TrimPrefix(message.String(), "KIND_")))
	return kind
}

func revocationMessage(r store.Revocation) *revocationv1.Revocation {
	target := &revocationv1.Target{
		Kind:    revocationv1.Kind(revocationv1.Kind_value["KIND_"+strings.ToUpper(r.Kind)]),
		Issuer:  r.Issuer,
		Id:      r.Value,
		Subject: r.Subject,
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

// maxBadRows bounds the summary.
const maxBadRows = 1000

// importAll revokes what receive returns until io.EOF, in batches: a sync of the
// disk for each row would be slow.
func (s *revocationService) importAll(ctx context.Context, receive func() (*revocationv1.ImportRevocationsRequest, error)) (*revocationv1.ImportRevocationsResponse, error) {
	if err := s.operators.require(current(ctx)); err != nil {
		return nil, err // before anything is received
	}
	summary := new(revocationv1.ImportRevocationsResponse)
	var batch []ledger.Request
	revoke := func() error {
		if len(batch) == 0 {
			return nil
		}
		id := current(ctx) // as of the newest token, which may have fewer permissions
		if err := s.operators.require(id); err != nil {
			return err
		}
		if _, err := s.ledger.Revoke(ctx, id, batch...); err != nil {
			return err
		}
		summary.Imported += int64(len(batch))
		batch = batch[:0]
		return nil
	}
	for row := int64(0); ; {
		message, err := receive()
		if errors.Is(err, io.EOF) {
			return summary, revoke()
		}
		if err != nil {
			return nil, err
		}
		for _, asked := range message.GetRevocations() {
			row++
			request, err := s.request(asked, current(ctx))
			if err != nil {
				reject(summary, row, err)
				continue
			}
			batch = append(batch, request)
			if len(batch) < ledger.BatchSize {
				continue
			}
			if err := revoke(); err != nil {
				return nil, err
			}
		}
	}
}

func reject(summary *revocationv1.ImportRevocationsResponse, row int64, fault error) {
	summary.Rejected++
	if len(summary.GetBadRows()) < maxBadRows {
		summary.BadRows = append(summary.BadRows, &revocationv1.BadRow{Row: row, Fault: fault.Error()})
	}
}

// connectRevocation is the service as connect-go wants it.
type connectRevocation struct{ *revocationService }

func (s connectRevocation) ImportRevocations(ctx context.Context, stream *connect.ClientStream[revocationv1.ImportRevocationsRequest]) (*revocationv1.ImportRevocationsResponse, error) {
	return s.importAll(ctx, func() (*revocationv1.ImportRevocationsRequest, error) {
		if !stream.Receive() {
			if err := stream.Err(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return stream.Msg(), nil
	})
}

// grpcRevocation is the service as grpc-go wants it.
type grpcRevocation struct {
	revocationv1.UnsafeRevocationServiceServer
	*revocationService
}

func (s grpcRevocation) ImportRevocations(stream grpc.ClientStreamingServer[revocationv1.ImportRevocationsRequest, revocationv1.ImportRevocationsResponse]) error {
	summary, err := s.importAll(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(summary)
}
