package server

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

// watch sends events until the caller leaves or falls behind.
func (s *sessionService) watch(ctx context.Context, req *sessionv1.WatchSessionsRequest, send func(*sessionv1.WatchSessionsResponse) error) error {
	watcher, leave := s.ledger.watchers.join(func(session store.Session) bool {
		// Asked about each event: a newer token may have taken the caller's role.
		return narrow(s.operators.view(current(ctx)), req.GetFilter()).Matches(session)
	})
	defer leave()
	if err := send(&sessionv1.WatchSessionsResponse{Event: sessionv1.Event_EVENT_WATCHING}); err != nil {
		return err
	}
	for {
		select {
		case e, ok := <-watcher.events:
			if !ok {
				return callErrorf(connect.CodeResourceExhausted, "the watcher reads too slowly and has missed events; list the sessions, and watch again")
			}
			err := send(&sessionv1.WatchSessionsResponse{Event: e.kind, Session: s.message(e.session, current(ctx))})
			if err != nil {
				return err
			}
		case <-s.stopping:
			return callErrorf(connect.CodeUnavailable, "%w", errStopping)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// current returns the caller of a stream as it is now. The rules of the services
// ask for a token, so there is one.
func current(ctx context.Context) *auth.Identity {
	if id, ok := auth.Current(ctx); ok {
		return id
	}
	return auth.MustFromContext(ctx)
}

// connectSession is the service as connect-go wants it.
type connectSession struct{ *sessionService }

func (s connectSession) WatchSessions(ctx context.Context, req *sessionv1.WatchSessionsRequest, stream *connect.ServerStream[sessionv1.WatchSessionsResponse]) error {
	return s.watch(ctx, req, stream.Send)
}

// grpcSession is the service as grpc-go wants it.
type grpcSession struct {
	sessionv1.UnsafeSessionServiceServer
	*sessionService
}

func (s grpcSession) WatchSessions(req *sessionv1.WatchSessionsRequest, stream grpc.ServerStreamingServer[sessionv1.WatchSessionsResponse]) error {
	return s.watch(stream.Context(), req, stream.Send)
}

// message is a session as id sees it.
func (s *sessionService) message(session store.Session, id *auth.Identity) *sessionv1.Session {
	message := &sessionv1.Session{
		Issuer:          session.Issuer,
		SessionId:       session.ID,
		Subject:         session.Subject,
		OrganizationId:  session.Organization,
		AuthorizedParty: session.AuthorizedParty,
		UserAgent:       session.UserAgent,
		Address:         session.Address,
		FirstSeenAt:     timestamppb.New(session.FirstSeen),
		LastSeenAt:      timestamppb.New(session.LastSeen),
		TokenExpiresAt:  timestamppb.New(session.ExpiresAt),
		Revoked:         s.ledger.revoked(session),
		Current:         session.Issuer == id.Issuer && session.ID == id.SessionID,
	}
	if !session.IssuedAt.IsZero() {
		message.TokenIssuedAt = timestamppb.New(session.IssuedAt)
	}
	return message
}
