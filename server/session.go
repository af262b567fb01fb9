package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// sessionService implements SessionService for both transports. Its rule asks
// for a token; what a caller may see of others is decided here, by
// operators.view.
type sessionService struct {
	ledger    *ledger.Ledger
	operators operators
	stopping  <-chan struct{}
}

// errNoSession is the same whether there is no such session or the caller may
// not see it, so that nobody can find out which.
func errNoSession() error {
	return rpcerror.New(connect.CodeNotFound, "session_id: no session by this id is known to you; list what there is with ListSessions")
}

// A sessionPlace is the last session of a page.
type sessionPlace struct {
	FirstSeen int64  `json:"t"` // in microseconds since 1970
	Issuer    string `json:"i"`
	ID        string `json:"s"`
	Subject   string `json:"u"`
}

// ListSessions implements both the connect and the grpc-go interface.
func (s *sessionService) ListSessions(ctx context.Context, req *sessionv1.ListSessionsRequest) (*sessionv1.ListSessionsResponse, error) {
	id := auth.MustFromContext(ctx)
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	place, err := readPageToken[sessionPlace](req.GetPageToken())
	if err != nil {
		return nil, err
	}
	var after store.Session
	if req.GetPageToken() != "" {
		after = store.Session{FirstSeen: time.UnixMicro(place.FirstSeen).UTC(), Issuer: place.Issuer, ID: place.ID, Subject: place.Subject}
	}
	page, more, err := s.ledger.Sessions(ctx, narrow(s.operators.view(id), filterOf(req.GetFilter())), after, size)
	if err != nil {
		return nil, err
	}
	res := &sessionv1.ListSessionsResponse{Sessions: make([]*sessionv1.Session, len(page))}
	for i, session := range page {
		res.Sessions[i] = s.message(session, id)
	}
	if more {
		last := page[len(page)-1]
		res.NextPageToken, err = pageToken(sessionPlace{last.FirstSeen.UnixMicro(), last.Issuer, last.ID, last.Subject})
	}
	return res, err
}

func filterOf(filter *sessionv1.Filter) store.Filter {
	return store.Filter{Issuer: filter.GetIssuer(), Subject: filter.GetSubject(), Organization: filter.GetOrganizationId()}
}

// narrow returns the part of the view that the filter matches.
func narrow(view store.View, asked store.Filter) store.View {
	var narrowed store.View
	for _, f := range view {
		possible := true
		for _, part := range []struct {
			field *string
			asked string
		}{{&f.Issuer, asked.Issuer}, {&f.ID, asked.ID}, {&f.Subject, asked.Subject}, {&f.Organization, asked.Organization}} {
			if part.asked == "" {
				continue
			}
			possible = possible && (*part.field == "" || *part.field == part.asked)
			*part.field = part.asked
		}
		if possible {
			narrowed = append(narrowed, f)
		}
	}
	return narrowed
}

// GetSession implements both the connect and the grpc-go interface.
func (s *sessionService) GetSession(ctx context.Context, req *sessionv1.GetSessionRequest) (*sessionv1.GetSessionResponse, error) {
	id := auth.MustFromContext(ctx)
	sessions, err := s.find(ctx, id, cmp.Or(req.GetIssuer(), id.Issuer), req.GetSessionId())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sessions, func(session store.Session) bool { return session.Subject == id.Subject })
	if i < 0 {
		i = len(sessions) - 1 // the one that was seen first
	}
	return &sessionv1.GetSessionResponse{Session: s.message(sessions[i], id)}, nil
}

// find returns the sessions by this ID that the caller may see: one for each
// subject whose tokens name it, and never none.
func (s *sessionService) find(ctx context.Context, id *auth.Identity, issuer, sessionID string) ([]store.Session, error) {
	if sessionID == "" {
		return nil, rpcerror.Invalid("session_id", "missing; name a session")
	}
	view := narrow(s.operators.view(id), store.Filter{Issuer: issuer, ID: sessionID})
	sessions, _, err := s.ledger.Sessions(ctx, view, store.Session{}, maxPageSize)
	if err == nil && len(sessions) == 0 {
		err = errNoSession()
	}
	return sessions, err
}

// RevokeSession implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSession(ctx context.Context, req *sessionv1.RevokeSessionRequest) (*sessionv1.RevokeSessionResponse, error) {
	id := auth.MustFromContext(ctx)
	sessions, err := s.toEnd(ctx, id, cmp.Or(req.GetIssuer(), id.Issuer), cmp.Or(req.GetSessionId(), ledger.SessionOf(id)))
	if err != nil {
		return nil, err
	}
	revoked, err := s.ledger.End(ctx, id, req.GetCause(), sessions...)
	if err != nil || len(revoked) == 0 { // they were revoked already
		return &sessionv1.RevokeSessionResponse{}, err
	}
	return &sessionv1.RevokeSessionResponse{Revocation: revocationMessage(revoked[0])}, nil
}

// toEnd returns the sessions that a caller asks to end, and may. Its own session, or for
// an operator any session, need not have been seen.
func (s *sessionService) toEnd(ctx context.Context, id *auth.Identity, issuer, sessionID string) ([]store.Session, error) {
	switch {
	case sessionID == "":
		return nil, rpcerror.Invalid("session_id", "missing, and your own token belongs to no session; name one")
	case s.operators.include(id):
		return []store.Session{{Issuer: issuer, ID: sessionID}}, nil
	case isOwn(id, store.Session{Issuer: issuer, ID: sessionID, Subject: id.Subject}):
		return []store.Session{{Issuer: issuer, ID: sessionID, Subject: id.Subject}}, nil
	}
	sessions, err := s.find(ctx, id, issuer, sessionID)
	if err != nil {
		return nil, err
	}
	return sessions, requireInPerson(id)
}

// isOwn reports whether the session is that of the caller's token.
func isOwn(id *auth.Identity, session store.Session) bool {
	return session.Issuer == id.Issuer && session.Subject == id.Subject && session.ID == ledger.SessionOf(id)
}

// RevokeSubject implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSubject(ctx context.Context, req *sessionv1.RevokeSubjectRequest) (*sessionv1.RevokeSubjectResponse, error) {
	id := auth.MustFromContext(ctx)
	issuer, subject := cmp.Or(req.GetIssuer(), id.Issuer), cmp.Or(req.GetSubject(), id.Subject)
	if err := s.operators.maySignOut(id, issuer, subject); err != nil {
		return nil, err
	}
	revoked, sessions, err := s.ledger.EndSubject(ctx, id, issuer, subject, req.GetCause())
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSubjectResponse{Revocation: revocationMessage(*revoked), Sessions: int64(sessions)}, nil
}

// watch sends events until the caller leaves or falls behind.
func (s *sessionService) watch(ctx context.Context, req *sessionv1.WatchSessionsRequest, send func(*sessionv1.WatchSessionsResponse) error) error {
	filter := filterOf(req.GetFilter())
	events, leave := s.ledger.Watch(func(session store.Session) bool {
		// Checked for each event: a newer token may lack the role of the caller.
		return narrow(s.operators.view(current(ctx)), filter).Matches(session)
	})
	defer leave()
	if err := send(&sessionv1.WatchSessionsResponse{Event: sessionv1.Event_EVENT_WATCHING}); err != nil {
		return err
	}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return rpcerror.New(connect.CodeResourceExhausted, "the watcher reads too slowly and has missed events; list the sessions, and watch again")
			}
			err := send(&sessionv1.WatchSessionsResponse{Event: e.Kind, Session: s.message(e.Session, current(ctx))})
			if err != nil {
				return err
			}
		case <-s.stopping:
			return rpcerror.New(connect.CodeUnavailable, "%w", errStopping)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// current returns the caller of a stream as it is now. The rules of the services
// ask for a token, so there is one.
func current(ctx context.Context) *auth.Identity {
	if id, ok := auth.CurrentIdentity(ctx); ok {
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
		Revoked:         s.ledger.Revoked(session),
		Current:         isOwn(id, session),
	}
	if !session.IssuedAt.IsZero() {
		message.TokenIssuedAt = timestamppb.New(session.IssuedAt)
	}
	return message
}
