package server

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

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
	Time    int64  `json:"t"` // of the order, in microseconds since 1970
	Issuer  string `json:"i"`
	ID      string `json:"s"`
	Subject string `json:"u"`
}

func placeOf(order store.Order, s store.Session) sessionPlace {
	return sessionPlace{store.Micros(order.Time(s)), s.Issuer, s.ID, s.Subject}
}

// session returns the session at a place, as far as its order goes. The zero place is
// the beginning.
func (p sessionPlace) session(order store.Order) store.Session {
	return order.Place(store.FromMicros(p.Time), p.Issuer, p.ID, p.Subject)
}

// ListSessions implements both the connect and the grpc-go interface.
func (s *sessionService) ListSessions(ctx context.Context, req *sessionv1.ListSessionsRequest) (*sessionv1.ListSessionsResponse, error) {
	id := auth.MustFromContext(ctx)
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	size := r.faults.PageSize(req.GetPageSize(), rpcerror.DefaultPageSize)
	listing := r.listing(req, s.operators.view(id))
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	epoch := s.ledger.Epoch()
	scope := listScope(id, req)
	place, err := position.Decode[sessionPlace](req.GetPageToken(), epoch, scope)
	if err != nil {
		return nil, err
	}
	res := &sessionv1.ListSessionsResponse{ResumeToken: s.watchPosition(s.ledger.Events().Last())}
	if req.GetCountTotal() {
		count, err := s.ledger.CountSessions(ctx, listing)
		if err != nil {
			return nil, err
		}
		res.TotalCount, res.TotalCountIsMinimum = proto.Int64(count.Sessions), count.Minimum
	}
	listing.After = place.session(listing.Order)
	page, err := s.ledger.Sessions(ctx, listing, size)
	if err != nil {
		return nil, err
	}
	if res.Sessions, err = s.messages(ctx, id, page.Sessions...); err != nil {
		return nil, err
	}
	if page.More {
		res.NextPageToken = position.Encode(epoch, scope, placeOf(listing.Order, page.Next))
	}
	if current := ledger.SessionOf(id); current != "" {
		res.CurrentSession = sessionRef(id.Issuer, current, id.Subject)
	}
	return res, nil
}

// sessionOrders are the orders of sessions.
var sessionOrders = map[sessionv1.SessionOrder]store.Order{
	sessionv1.SessionOrder_SESSION_ORDER_UNSPECIFIED:     store.FirstSeenDesc,
	sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_DESC: store.FirstSeenDesc,
	sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_ASC:  store.FirstSeenAsc,
	sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC:  store.LastSeenDesc,
	sessionv1.SessionOrder_SESSION_ORDER_SUBJECT:         store.BySubject,
}

// listing reads which of the sessions within the view are asked for, and in which order.
func (r *reader) listing(req *sessionv1.ListSessionsRequest, view store.View) ledger.Listing {
	asked := req.GetFilter()
	if asked == nil {
		asked = new(sessionv1.ListSessionsFilter)
	}
	filter := r.filter(asked.Issuer, asked.Subject, asked.OrganizationId)
	order, known := sessionOrders[req.GetOrder()]
	if !known {
		r.faults.Add("order", "not one that this server knows; leave it out for the newest first")
	}
	if len(asked.GetQuery()) > r.ledger.MaxIDBytes() {
		r.faults.Add("filter.query", "longer than any id; write what the id begins with")
	}
	for i, state := range asked.GetStates() {
		if _, known := sessionv1.SessionState_name[int32(state)]; !known || state == sessionv1.SessionState_SESSION_STATE_UNSPECIFIED {
			r.faults.Add(fmt.Sprintf("filter.states[%d]", i), "not a state that this server knows; leave all out for any state")
		}
	}
	listing := ledger.Listing{States: asked.GetStates()}
	if before := asked.GetLastSeenBeforeTime(); before != nil {
		if listing.LastSeenBefore = before.AsTime(); before.CheckValid() != nil || before.AsTime().UnixMicro() <= 0 {
			r.faults.Add("filter.last_seen_before_time", "must be later than 1970-01-01T00:00:00Z")
		}
	}
	listing.View, listing.Order, listing.Prefix, listing.Service = narrow(view, filter), order, asked.GetQuery(), asked.Service
	return listing
}

// listScope is that of the pages of one subject's list: what another sees is another list.
func listScope(id *auth.Identity, req *sessionv1.ListSessionsRequest) position.Scope {
	return position.ScopeOf(fmt.Sprintf("%s by %d of %q %q", sessionv1.SessionService_ListSessions_FullMethodName, sessionOrders[req.GetOrder()], id.Issuer, id.Subject), req.GetFilter())
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
	r.faults.RefuseUnknown(req)
	named := r.session("session", req.GetSession())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	found, err := s.ledger.Sessions(ctx, ledger.Listing{Listing: store.List(s.viewOf(id, named))}, 2)
	switch {
	case err != nil:
		return nil, err
	case len(found.Sessions) == 0:
		return nil, errNoSession()
	case len(found.Sessions) > 1:
		return nil, rpcerror.Invalid("session.subject", "several subjects have a session by this id; name one")
	}
	messages, err := s.messages(ctx, id, found.Sessions...)
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
	for listing := (ledger.Listing{Listing: store.List(view)}); ; {
		page, err := s.ledger.Sessions(ctx, listing, rpcerror.MaxPageSize)
		if err != nil {
			return nil, err
		}
		if all = append(all, page.Sessions...); !page.More {
			return all, nil
		}
		listing.After = page.Next
	}
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
