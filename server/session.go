package server

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// sessionService implements SessionService for both transports. Its rule asks
// for a token; what a caller may see of others is decided here, by
// operators.view.
type sessionService struct {
	ledger    *ledger.Ledger
	operators operators
	heartbeat time.Duration // the longest silence of a watch
	stopping  <-chan struct{}
}

// errNoSession is the same whether there is no such session or the caller may
// not see it, so that nobody can find out which.
func errNoSession() error { return rpcerror.New(errorv1.Reason_REASON_SESSION_NOT_FOUND) }

// A sessionPlace is the last session of a page.
type sessionPlace struct {
	FirstSeen int64  `json:"t"` // in microseconds since 1970
	Issuer    string `json:"i"`
	ID        string `json:"s"`
	Subject   string `json:"u"`
}

func placeOf(s store.Session) sessionPlace {
	return sessionPlace{s.FirstSeen.UnixMicro(), s.Issuer, s.ID, s.Subject}
}

// session returns the session at a place, as far as its order goes. The zero place is
// the beginning.
func (p sessionPlace) session() store.Session {
	if p == (sessionPlace{}) {
		return store.Session{}
	}
	return store.Session{FirstSeen: time.UnixMicro(p.FirstSeen).UTC(), Issuer: p.Issuer, ID: p.ID, Subject: p.Subject}
}

// ListSessions implements both the connect and the grpc-go interface.
func (s *sessionService) ListSessions(ctx context.Context, req *sessionv1.ListSessionsRequest) (*sessionv1.ListSessionsResponse, error) {
	id := auth.MustFromContext(ctx)
	r := reader{ledger: s.ledger}
	refuseUnknown(req, &r.faults)
	size := pageSize(req.GetPageSize(), defaultPageSize, &r.faults)
	asked := req.GetFilter()
	if asked == nil {
		asked = new(sessionv1.ListSessionsFilter)
	}
	filter := r.filter(asked.Issuer, asked.Subject, asked.OrganizationId)
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	epoch := s.ledger.Epoch()
	scope := listScope(id, req.GetFilter())
	place, err := position.Decode[sessionPlace](req.GetPageToken(), epoch, scope)
	if err != nil {
		return nil, err
	}
	res := &sessionv1.ListSessionsResponse{ResumeToken: s.watchPosition(s.ledger.Events().Last())}
	page, more, err := s.ledger.Sessions(ctx, narrow(s.operators.view(id), filter), place.session(), size)
	if err != nil {
		return nil, err
	}
	if res.Sessions, err = s.messages(ctx, id, page...); err != nil {
		return nil, err
	}
	if more {
		res.NextPageToken = position.Encode(epoch, scope, placeOf(page[len(page)-1]))
	}
	if current := ledger.SessionOf(id); current != "" {
		res.CurrentSession = sessionRef(id.Issuer, current, id.Subject)
	}
	return res, nil
}

// listScope is that of the pages of one subject's list: what another sees is another list.
func listScope(id *auth.Identity, filter *sessionv1.ListSessionsFilter) position.Scope {
	return position.ScopeOf(fmt.Sprintf("%s of %q %q", sessionv1.SessionService_ListSessions_FullMethodName, id.Issuer, id.Subject), filter)
}

// narrow returns the part of the view that the filter matches.
func narrow(view store.View, asked store.Filter) store.View {
	var narrowed store.View
	for _, f := range view {
		possible := true
		for _, part := range []struct {
			field *string
			asked string
		}{{&f.Issuer, asked.Issuer}, {&f.ID, asked.ID}, {&f.Subject, asked.Subject}} {
			if part.asked == "" {
				continue
			}
			possible = possible && (*part.field == "" || *part.field == part.asked)
			*part.field = part.asked
		}
		if asked.Organization != nil {
			possible = possible && (f.Organization == nil || *f.Organization == *asked.Organization)
			f.Organization = asked.Organization
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
	r := reader{ledger: s.ledger}
	refuseUnknown(req, &r.faults)
	named := r.session("session", req.GetSession())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	sessions, _, err := s.ledger.Sessions(ctx, s.viewOf(id, named), store.Session{}, 2)
	switch {
	case err != nil:
		return nil, err
	case len(sessions) == 0:
		return nil, errNoSession()
	case len(sessions) > 1:
		return nil, rpcerror.Invalid("session.subject", "several subjects have a session by this id; name one")
	}
	messages, err := s.messages(ctx, id, sessions...)
	if err != nil {
		return nil, err
	}
	return &sessionv1.GetSessionResponse{Session: messages[0]}, nil
}

// viewOf returns the sessions by a name that the caller may see. There can be several
// only where the name has no subject.
func (s *sessionService) viewOf(id *auth.Identity, named store.Session) store.View {
	return narrow(s.operators.view(id), store.Filter{Issuer: named.Issuer, ID: named.ID, Subject: named.Subject})
}

// allSessions returns every session within the view.
func (s *sessionService) allSessions(ctx context.Context, view store.View) ([]store.Session, error) {
	var all []store.Session
	for last := (store.Session{}); ; last = all[len(all)-1] {
		page, more, err := s.ledger.Sessions(ctx, view, last, maxPageSize)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); !more {
			return all, nil
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

// messages are sessions as id sees them.
func (s *sessionService) messages(ctx context.Context, id *auth.Identity, sessions ...store.Session) ([]*sessionv1.Session, error) {
	states, err := s.ledger.States(ctx, sessions...)
	if err != nil {
		return nil, err
	}
	sightings, err := s.ledger.Sightings(ctx, sessions...)
	if err != nil {
		return nil, err
	}
	messages := make([]*sessionv1.Session, len(sessions))
	for i, session := range sessions {
		messages[i] = sessionMessage(session, sightings[i])
		messages[i].State, messages[i].IssuerSignOut = states[i].State, states[i].SignOut
		if r := states[i].Revocation; r != nil {
			messages[i].Revocation = revocationMessage(*r, s.operators, id)
		}
	}
	return messages, nil
}

// sessionMessage is a session without its state.
func sessionMessage(session store.Session, sightings []store.Sighting) *sessionv1.Session {
	message := &sessionv1.Session{
		Session:         sessionRef(session.Issuer, session.ID, session.Subject),
		OrganizationId:  session.Organization,
		Actor:           actorMessage(storedActor(session.Token.Actor)),
		FirstSeenTime:   timeMessage(session.FirstSeen),
		LastSeenTime:    timeMessage(session.LastSeen),
		TokenIssueTime:  timeMessage(session.Token.IssuedAt),
		TokenExpireTime: timeMessage(session.Token.ExpiresAt),
	}
	for _, s := range sightings {
		message.Sightings = append(message.Sightings, &sessionv1.Sighting{
			Service:         s.Service,
			FirstSeenTime:   timeMessage(s.FirstSeen),
			LastSeenTime:    timeMessage(s.LastSeen),
			AuthorizedParty: s.AuthorizedParty,
			ClientId:        s.ClientID,
			UserAgent:       s.UserAgent,
			IpAddress:       s.Address,
		})
	}
	return message
}
