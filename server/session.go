package server

import (
	"cmp"
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

// sessionService implements SessionService for both transports. Its rule asks
// for a token; what a caller may see of others is decided here, by
// operators.view.
type sessionService struct {
	ledger    *ledger
	operators operators
	stopping  <-chan struct{}
}

// errNoSession is the same whether there is no such session or the caller may
// not see it, so that nobody can find out which.
func errNoSession() error {
	return callErrorf(connect.CodeNotFound, "session_id: no session by this id is known to you; list what there is with ListSessions")
}

// A sessionPlace is the last session of a page.
type sessionPlace struct {
	FirstSeen int64  `json:"t"` // in microseconds since 1970
	Issuer    string `json:"i"`
	ID        string `json:"s"`
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
		after = store.Session{FirstSeen: time.UnixMicro(place.FirstSeen).UTC(), Issuer: place.Issuer, ID: place.ID}
	}
	s.ledger.saveSightings(ctx)
	page, more, err := s.ledger.sessions(ctx, narrow(s.operators.view(id), req.GetFilter()), after, size)
	if err != nil {
		return nil, err
	}
	res := &sessionv1.ListSessionsResponse{Sessions: make([]*sessionv1.Session, len(page))}
	for i, session := range page {
		res.Sessions[i] = s.message(session, id)
	}
	if more {
		last := page[len(page)-1]
		res.NextPageToken, err = pageToken(sessionPlace{last.FirstSeen.UnixMicro(), last.Issuer, last.ID})
	}
	return res, err
}

// narrow leaves of a view what the filter asks for.
func narrow(view store.View, filter *sessionv1.Filter) store.View {
	var narrowed store.View
	for _, f := range view {
		possible := true
		for _, part := range []struct {
			field *string
			asked string
		}{{&f.Issuer, filter.GetIssuer()}, {&f.Subject, filter.GetSubject()}, {&f.Organization, filter.GetOrganizationId()}} {
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
	session, err := s.find(ctx, id, cmp.Or(req.GetIssuer(), id.Issuer), req.GetSessionId())
	if err != nil {
		return nil, err
	}
	return &sessionv1.GetSessionResponse{Session: s.message(session, id)}, nil
}

// find returns a session that the caller may see.
func (s *sessionService) find(ctx context.Context, id *auth.Identity, issuer, sessionID string) (store.Session, error) {
	if sessionID == "" {
		return store.Session{}, invalid("session_id", "missing; name a session")
	}
	s.ledger.saveSightings(ctx)
	session, err := s.ledger.store.Session(ctx, issuer, sessionID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !s.operators.view(id).Matches(session):
		return store.Session{}, errNoSession()
	case err != nil:
		return store.Session{}, s.ledger.unavailable(ctx, err)
	default:
		return session, nil
	}
}
