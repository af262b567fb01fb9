package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

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
	heartbeat time.Duration
	stopping  <-chan struct{}
}

func (s *revocationService) message(r store.Revocation, id *auth.Identity) *revocationv1.Revocation {
	return revocationMessage(r, s.operators, id)
}

// maxRevocations is how many revocations one call of RevokeTokens can make.
const maxRevocations = 1000

// RevokeTokens implements both the connect and the grpc-go interface.
func (s *revocationService) RevokeTokens(ctx context.Context, req *revocationv1.RevokeTokensRequest) (*revocationv1.RevokeTokensResponse, error) {
	id := auth.MustFromContext(ctx)
	if err := s.operators.require(id); err != nil {
		return nil, err
	}
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	r.requestID(req.GetRequestId())
	if n := len(req.GetRevocations()); n == 0 || n > maxRevocations {
		r.faults.Add("revocations", "%d of them; name 1 to %d", n, maxRevocations)
		return nil, r.faults.Err()
	}
	requests := make([]ledger.Request, len(req.GetRevocations()))
	for i, asked := range req.GetRevocations() {
		requests[i] = r.revocation(fmt.Sprintf("revocations[%d].", i), asked)
	}
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	response := func(saved []store.Revocation) *revocationv1.RevokeTokensResponse {
		res := new(revocationv1.RevokeTokensResponse)
		for _, r := range saved {
			res.Revocations = append(res.Revocations, s.message(r, id))
		}
		return res
	}
	request := &revocationv1.RevokeTokensRequest{Revocations: req.GetRevocations()}
	res, err := once(ctx, s.ledger, s.operators, id, revocationv1.RevocationService_RevokeTokens_FullMethodName, req.GetRequestId(), request,
		func(answer *store.Answer) (*revocationv1.RevokeTokensResponse, error) {
			if answer != nil {
				answer.Encode = func(saved []store.Revocation) ([]byte, error) { return proto.Marshal(response(saved)) }
			}
			saved, err := s.ledger.Revoke(ctx, store.Origin{Kind: store.OriginCaller, Caller: ledger.CallerOf(id)}, answer, requests...)
			if err != nil {
				return nil, err
			}
			return response(saved), nil
		})
	if err != nil {
		return nil, err
	}
	res.Propagation = propagation(ctx, s.ledger)
	return res, nil
}

// propagation says where all that was revoked is in force.
func propagation(ctx context.Context, l *ledger.Ledger) *revocationv1.Propagation {
	confirmed, total := l.Propagation(ctx)
	return &revocationv1.Propagation{ConfirmedCount: int32(confirmed), TotalCount: int32(total)} //nolint:gosec // in range
}

// maxRejected bounds the summary of an import.
const maxRejected = 1000

// importAll revokes what receive returns until io.EOF, in batches: a sync of the
// disk for each row would be slow.
func (s *revocationService) importAll(ctx context.Context, receive func() (*revocationv1.ImportRevocationsRequest, error)) (*revocationv1.ImportRevocationsResponse, error) {
	if err := s.operators.require(auth.MustCurrentIdentity(ctx)); err != nil {
		return nil, err // before anything is received
	}
	summary := new(revocationv1.ImportRevocationsResponse)
	var batch []ledger.Request
	revoke := func() error {
		if len(batch) == 0 {
			return nil
		}
		id := auth.MustCurrentIdentity(ctx) // as of the newest token, which may have fewer permissions
		if err := s.operators.require(id); err != nil {
			return err
		}
		more, err := s.ledger.NotInForce(ctx, batch...)
		if err != nil {
			return err
		}
		if _, err := s.ledger.Revoke(ctx, store.Origin{Kind: store.OriginImport, Caller: ledger.CallerOf(id)}, nil, more...); err != nil {
			return err
		}
		summary.ImportedCount += int64(len(batch))
		batch = batch[:0]
		return nil
	}
	for index := int64(0); ; {
		message, err := receive()
		if errors.Is(err, io.EOF) {
			return summary, revoke()
		}
		if err != nil {
			return nil, err
		}
		if len(message.ProtoReflect().GetUnknown()) > 0 {
			return nil, rpcerror.Invalid("", "a field that this server does not know; leave it out, or ask a newer server")
		}
		for _, asked := range message.GetRevocations() {
			r := reader{ledger: s.ledger}
			r.faults.RefuseUnknown(asked)
			request := r.revocation("", asked)
			if r.faults.Err() != nil {
				reject(summary, index, r.faults.Fields())
			} else {
				batch = append(batch, request)
			}
			index++
			if len(batch) < ledger.BatchSize {
				continue
			}
			if err := revoke(); err != nil {
				return nil, err
			}
		}
	}
}

func reject(summary *revocationv1.ImportRevocationsResponse, index int64, faults []*errdetails.BadRequest_FieldViolation) {
	summary.RejectedCount++
	if len(summary.GetRejectedRevocations()) >= maxRejected {
		return
	}
	rejected := &revocationv1.RejectedRevocation{Index: index}
	for _, fault := range faults {
		rejected.Violations = append(rejected.Violations, &revocationv1.FieldViolation{Field: fault.GetField(), Description: fault.GetDescription()})
	}
	summary.RejectedRevocations = append(summary.RejectedRevocations, rejected)
}

// connectRevocation is the service as connect-go wants it.
type connectRevocation struct{ *revocationService }

func (s connectRevocation) WatchRevocations(ctx context.Context, req *revocationv1.WatchRevocationsRequest, stream *connect.ServerStream[revocationv1.WatchRevocationsResponse]) error {
	return s.watch(ctx, req, stream.Send)
}

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

func (s grpcRevocation) WatchRevocations(req *revocationv1.WatchRevocationsRequest, stream grpc.ServerStreamingServer[revocationv1.WatchRevocationsResponse]) error {
	return s.watch(stream.Context(), req, stream.Send)
}

func (s grpcRevocation) ImportRevocations(stream grpc.ClientStreamingServer[revocationv1.ImportRevocationsRequest, revocationv1.ImportRevocationsResponse]) error {
	summary, err := s.importAll(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(summary)
}

// revocationMessage is a revocation as id sees it: what made it and why is for
// operators, and for the subject that made it.
func revocationMessage(r store.Revocation, operators operators, id *auth.Identity) *revocationv1.Revocation {
	message := &revocationv1.Revocation{
		RevocationId:     base64.RawURLEncoding.EncodeToString(r.ID[:]),
		Target:           targetMessage(r.Target),
		IssuedBeforeTime: timeMessage(r.IssuedBefore),
		CreateTime:       timeMessage(r.CreatedAt),
		ExpireTime:       timeMessage(r.ExpiresAt),
	}
	if operators.mayKnowOrigin(id, r.Origin.Caller.Issuer, r.Origin.Caller.Subject) {
		message.Origin, message.Cause = originMessage(r.Origin), r.Cause
	}
	return message
}

// mayKnowOrigin reports whether id may know what made a revocation that a subject made,
// and why.
func (o operators) mayKnowOrigin(id *auth.Identity, issuer, subject string) bool {
	return o.include(id) || issuer == id.Issuer && subject == id.Subject
}

// targetMessage returns nil for a kind of target that it does not know.
func targetMessage(t store.Target) *revocationv1.Target {
	kind, _ := revocation.ParseTargetKind(t.Kind)
	switch kind {
	case revocation.TargetSession:
		return &revocationv1.Target{Target: &revocationv1.Target_Session{Session: sessionRef(t.Issuer, t.Value, t.Subject)}}
	case revocation.TargetSubject:
		return &revocationv1.Target{Target: &revocationv1.Target_Subject{Subject: &revocationv1.SubjectRef{Issuer: t.Issuer, Subject: t.Value}}}
	case revocation.TargetToken:
		return &revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: t.Issuer, TokenId: t.Value}}}
	case revocation.TargetClient:
		return &revocationv1.Target{Target: &revocationv1.Target_Client{Client: &revocationv1.ClientRef{Issuer: t.Issuer, ClientId: t.Value}}}
	case revocation.TargetMachine:
		return &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: t.Issuer, Subject: t.Value}}}
	case revocation.TargetOrganization:
		return &revocationv1.Target{Target: &revocationv1.Target_Organization{Organization: &revocationv1.OrganizationRef{Issuer: t.Issuer, OrganizationId: t.Value}}}
	case revocation.TargetMember:
		return &revocationv1.Target{Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: t.Issuer, OrganizationId: t.Value, Subject: t.Subject}}}
	case revocation.TargetIssuer:
		return &revocationv1.Target{Target: &revocationv1.Target_EntireIssuer{EntireIssuer: &revocationv1.EntireIssuer{Issuer: t.Issuer}}}
	default:
		return nil
	}
}

// sessionRef names a session. An empty subject stands for any.
func sessionRef(issuer, id, subject string) *revocationv1.SessionRef {
	ref := &revocationv1.SessionRef{Issuer: issuer, SessionId: id}
	if subject == "" {
		ref.Owner = &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}}
	} else {
		ref.Owner = &revocationv1.SessionRef_Subject{Subject: subject}
	}
	return ref
}

func originMessage(origin store.Origin) *revocationv1.Origin {
	by, signal := origin.Caller, origin.Signal
	caller := &revocationv1.Caller{Issuer: by.Issuer, Subject: by.Subject, ClientId: by.ClientID, SessionId: by.SessionID, Actor: actorMessage(storedActor(by.Actor))}
	switch origin.Kind {
	case store.OriginSignal:
		return &revocationv1.Origin{Origin: &revocationv1.Origin_Signal{Signal: &revocationv1.SignalOrigin{
			Source: signal.Source, Issuer: signal.Issuer, Type: signal.Type, MessageId: signal.MessageID,
		}}}
	case store.OriginImport:
		return &revocationv1.Origin{Origin: &revocationv1.Origin_BulkImport{BulkImport: &revocationv1.ImportOrigin{Caller: caller}}}
	case store.OriginSystem:
		return &revocationv1.Origin{Origin: &revocationv1.Origin_System{System: &revocationv1.SystemOrigin{Component: "recovery"}}}
	case store.OriginBreakGlass:
		return &revocationv1.Origin{Origin: &revocationv1.Origin_System{System: &revocationv1.SystemOrigin{Component: store.OriginBreakGlass, User: by.Subject}}}
	default:
		return &revocationv1.Origin{Origin: &revocationv1.Origin_Caller{Caller: caller}}
	}
}

// storedActor returns nil for none.
func storedActor(actor store.Actor) *auth.Actor {
	if actor == (store.Actor{}) {
		return nil
	}
	return &auth.Actor{Issuer: actor.Issuer, Subject: actor.Subject, SessionID: actor.SessionID, Type: actor.Type}
}
