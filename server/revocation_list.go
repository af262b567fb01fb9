package server

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// ListRevocations implements both the connect and the grpc-go interface.
func (s *revocationService) ListRevocations(ctx context.Context, req *revocationv1.ListRevocationsRequest) (*revocationv1.ListRevocationsResponse, error) {
	id := auth.MustFromContext(ctx)
	if err := s.operators.require(id); err != nil {
		return nil, err
	}
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	size := r.faults.PageSize(req.GetPageSize(), rpcerror.DefaultPageSize)
	listing := r.revocationListing(req.GetFilter())
	listing.NewestFirst = r.newestFirst(req.GetOrder())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	epoch, latest := s.ledger.Epoch(), ledger.PlaceOf(s.ledger.Latest())
	scope := revocationScope(req.GetFilter(), listing.NewestFirst)
	after, err := position.Decode[ledger.Place](req.GetPageToken(), epoch, scope)
	if err != nil {
		return nil, err
	}
	res := new(revocationv1.ListRevocationsResponse)
	if req.GetCountTotal() {
		count, minimum, err := s.ledger.CountRevocations(ctx, listing)
		if err != nil {
			return nil, err
		}
		res.TotalCount, res.TotalCountIsMinimum = proto.Int64(count), minimum
	}
	page, err := s.ledger.Revocations(ctx, listing, after, size)
	if err != nil {
		return nil, err
	}
	for _, r := range page.Revocations {
		res.Revocations = append(res.Revocations, s.message(r, id))
	}
	next := position.Encode(epoch, scope, page.Next)
	if page.More {
		res.NextPageToken = next
	}
	switch {
	case !listing.NewestFirst:
		res.ResumeToken = next
	case req.GetPageToken() == "":
		res.ResumeToken = position.Encode(epoch, revocationScope(req.GetFilter(), false), latest)
	}
	return res, nil
}

// revocationScope is that of the pages of a listing. A watch has that of the oldest first.
func revocationScope(filter *revocationv1.ListRevocationsFilter, newestFirst bool) position.Scope {
	method := revocationv1.RevocationService_ListRevocations_FullMethodName
	if newestFirst {
		method += " newest first"
	}
	return position.ScopeOf(method, filter)
}

// newestFirst reads the order in which revocations are asked for.
func (r *reader) newestFirst(order revocationv1.RevocationOrder) bool {
	switch order {
	case revocationv1.RevocationOrder_REVOCATION_ORDER_UNSPECIFIED, revocationv1.RevocationOrder_REVOCATION_ORDER_OLDEST_FIRST:
		return false
	case revocationv1.RevocationOrder_REVOCATION_ORDER_NEWEST_FIRST:
		return true
	default:
		r.faults.Add("order", "not one that this server knows; leave it out for the oldest first")
		return false
	}
}

// revocationListing reads which revocations are asked for.
func (r *reader) revocationListing(asked *revocationv1.ListRevocationsFilter) store.RevocationListing {
	if asked == nil {
		asked = new(revocationv1.ListRevocationsFilter)
	}
	filter := r.filter(asked.Issuer, asked.Subject, nil)
	listing := store.RevocationListing{Issuer: filter.Issuer, Subject: filter.Subject, Text: asked.GetQuery(), By: asked.BySubject}
	for i, kind := range asked.GetKinds() {
		name, known := strings.CutPrefix(kind.String(), targetKindPrefix)
		if !known || kind == revocationv1.TargetKind_TARGET_KIND_UNSPECIFIED {
			r.faults.Add(fmt.Sprintf("filter.kinds[%d]", i), "not a kind that this server knows; leave all out for any kind")
			continue
		}
		listing.Kinds = append(listing.Kinds, strings.ToLower(name))
	}
	if len(asked.GetQuery()) > r.ledger.MaxIDBytes() {
		r.faults.Add("filter.query", "longer than any id; write a part of the name or of the cause")
	}
	if since := asked.GetCreatedSinceTime(); since != nil {
		if listing.Since = since.AsTime(); since.CheckValid() != nil || since.AsTime().UnixMicro() <= 0 {
			r.faults.Add("filter.created_since_time", "must be later than 1970-01-01T00:00:00Z")
		}
	}
	return listing
}

const targetKindPrefix = "TARGET_KIND_"

// PreviewRevocation implements both the connect and the grpc-go interface.
func (s *revocationService) PreviewRevocation(ctx context.Context, req *revocationv1.PreviewRevocationRequest) (*revocationv1.PreviewRevocationResponse, error) {
	if err := s.operators.require(auth.MustFromContext(ctx)); err != nil {
		return nil, err
	}
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	request := r.revocation("revocation.", req.GetRevocation())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	preview, known, err := s.ledger.Preview(ctx, request)
	if err != nil {
		return nil, err
	}
	res := &revocationv1.PreviewRevocationResponse{
		SubjectCount: preview.Subjects, CountsAreMinimum: preview.Minimum,
		RevokesCaller: s.ledger.WouldRevoke(request, auth.MustFromContext(ctx)), ExpireTime: timestamppb.New(request.Expires),
	}
	if known {
		res.SessionCount = proto.Int64(preview.Sessions)
	}
	return res, nil
}
