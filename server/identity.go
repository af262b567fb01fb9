package server

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// errStopping ends streams when the server stops. Another instance may serve them.
var errStopping = errors.New("the server is stopping; connect again")

// identityService implements IdentityService for both transports. Its rule asks
// for a token, so there is an identity in every context.
type identityService struct {
	stopping <-chan struct{}
}

// WhoAmI implements both the connect and the grpc-go interface.
func (s *identityService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return &identityv1.WhoAmIResponse{Identity: identityMessage(auth.MustFromContext(ctx))}, nil
}

// watch sends the caller's identity, and again whenever another call renews it. The
// lease of the stream ends it.
func (s *identityService) watch(ctx context.Context, send func(*identityv1.WatchIdentityResponse) error) error {
	for {
		id, changed := auth.WatchIdentity(ctx)
		if err := send(&identityv1.WatchIdentityResponse{Identity: identityMessage(id)}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-s.stopping:
			return rpcerror.New(connect.CodeUnavailable, "%w", errStopping)
		case <-ctx.Done():
			return ctx.Err()
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
		Issuer:      id.Issuer,
		Subject:     id.Subject,
		Kind:        kindMessage(id.Kind),
		SessionId:   id.SessionID,
		Roles:       id.Roles,
		Permissions: id.Permissions,
		Scopes:      id.Scopes,
		ExpiresAt:   timestamppb.New(id.ExpiresAt),
		ClientId:    id.ClientID,
	}
	if !id.IssuedAt.IsZero() {
		message.IssuedAt = timestamppb.New(id.IssuedAt)
	}
	if id.Organization != (auth.Organization{}) {
		message.Organization = &identityv1.Organization{
			Id:   id.Organization.ID,
			Slug: id.Organization.Slug,
			Role: id.Organization.Role,
		}
	}
	if id.Actor != nil {
		message.Actor = &identityv1.Actor{
			Issuer:    id.Actor.Issuer,
			Subject:   id.Actor.Subject,
			SessionId: id.Actor.SessionID,
			Type:      id.Actor.Type,
		}
	}
	return message
}

// kindMessage returns the schema's value with the name of the kind.
func kindMessage(kind auth.TokenKind) identityv1.Kind {
	return identityv1.Kind(identityv1.Kind_value["KIND_"+strings.ToUpper(kind.String())])
}
