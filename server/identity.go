package server

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/watch"
)

// heartbeatInterval is the longest silence of a stream. The schema says at most 30
// seconds, and proxies end streams after 50 or 60.
const heartbeatInterval = 20 * time.Second

// identityService implements IdentityService for both transports. Its rule asks
// for a token, so there is an identity in every context.
type identityService struct {
	heartbeat time.Duration // the longest silence of a watch
	stopping  <-chan struct{}
}

// WhoAmI implements both the connect and the grpc-go interface.
func (s *identityService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return &identityv1.WhoAmIResponse{Identity: identityMessage(auth.MustFromContext(ctx))}, nil
}

// watch sends the caller's identity, and again whenever another call renews it, with
// heartbeats between. The lease of the stream ends it.
func (s *identityService) watch(ctx context.Context, send func(*identityv1.WatchIdentityResponse) error) error {
	heartbeat := time.NewTicker(s.heartbeat)
	defer heartbeat.Stop()
	id, changed := auth.WatchIdentity(ctx)
	message := &identityv1.WatchIdentityResponse{Identity: identityMessage(id)}
	for {
		if err := send(message); err != nil {
			return err
		}
		due, err := watch.Wait(ctx, changed, heartbeat.C, s.stopping)
		if err != nil {
			return err
		}
		message = &identityv1.WatchIdentityResponse{}
		if !due {
			id, changed = auth.WatchIdentity(ctx)
			message.Identity = identityMessage(id)
		}
	}
}

// connectIdentity is the service as connect-go wants it.
type connectIdentity struct{ *identityService }

func (s connectIdentity) WatchIdentity(ctx context.Context, _ *identityv1.WatchIdentityRequest, stream *connect.ServerStream[identityv1.WatchIdentityResponse]) error {
	return s.watch(ctx, stream.Send)
}

// grpcIdentity is the service as grpc-go wants it. It does not embed
// Unimplemented…, so that a method that is missing here does not compile.
type grpcIdentity struct {
	identityv1.UnsafeIdentityServiceServer
	*identityService
}

func (s grpcIdentity) WatchIdentity(_ *identityv1.WatchIdentityRequest, stream grpc.ServerStreamingServer[identityv1.WatchIdentityResponse]) error {
	return s.watch(stream.Context(), stream.Send)
}

func identityMessage(id *auth.Identity) *identityv1.Identity {
	message := &identityv1.Identity{
		Issuer:          id.Issuer,
		Subject:         id.Subject,
		Kind:            kindMessage(id.Kind),
		TokenId:         id.TokenID,
		SessionId:       id.SessionID,
		ClientId:        id.ClientID,
		AuthorizedParty: id.AuthorizedParty,
		Audience:        id.Audience,
		Roles:           id.Roles,
		Permissions:     id.Permissions,
		Scopes:          id.Scopes,
		Features:        id.Features,
		Plans:           id.Plans,
		Actor:           actorMessage(id.Actor),
		IssueTime:       timeMessage(id.IssuedAt),
		NotBeforeTime:   timeMessage(id.NotBefore),
		ExpireTime:      timeMessage(id.ExpiresAt),
		AuthTime:        timeMessage(id.AuthTime),
		Acr:             id.ACR,
		Amr:             id.AMR,
	}
	if id.Organization != (auth.Organization{}) {
		message.Organization = &identityv1.Organization{
			Id:   id.Organization.ID,
			Slug: id.Organization.Slug,
			Role: id.Organization.Role,
		}
	}
	if ages := id.FactorAges; ages != nil {
		message.FactorAges = &identityv1.FactorAges{First: ageMessage(ages.First), Second: ageMessage(ages.Second)}
	}
	return message
}

// actorMessage returns nil for nil.
func actorMessage(actor *auth.Actor) *identityv1.Actor {
	if actor == nil {
		return nil
	}
	return &identityv1.Actor{Issuer: actor.Issuer, Subject: actor.Subject, SessionId: actor.SessionID, Type: actor.Type}
}

// timeMessage returns nil for the zero time.
func timeMessage(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t.Truncate(time.Microsecond))
}

// ageMessage returns nil for a factor that was never verified.
func ageMessage(age time.Duration) *durationpb.Duration {
	if age < 0 {
		return nil
	}
	return durationpb.New(age)
}

// kindMessage returns the schema's value for a kind.
func kindMessage(kind auth.TokenKind) policyv1.TokenKind {
	return policyv1.TokenKind(policyv1.TokenKind_value["TOKEN_KIND_"+strings.ToUpper(kind.String())])
}
