package server

import (
	"context"
	"errors"
	"slices"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/watch"
)

// watchScope is that of positions in the events, whatever the filter.
var watchScope = position.ScopeOf(sessionv1.SessionService_WatchSessions_FullMethodName, nil)

func (s *sessionService) watchPosition(number uint64) string {
	return position.Encode(s.ledger.Events().Epoch(), watchScope, number)
}

// watchFrom returns the number of the event after which a watch begins.
func (s *sessionService) watchFrom(token string) (uint64, error) {
	events := s.ledger.Events()
	if token == "" {
		return events.Last(), nil
	}
	number, err := position.Decode[uint64](token, events.Epoch(), watchScope)
	if err != nil {
		return 0, err
	}
	switch _, _, err := events.After(number); {
	case errors.Is(err, ledger.ErrEventsLost):
		return 0, rpcerror.New(errorv1.Reason_REASON_POSITION_EXPIRED)
	case err != nil:
		return 0, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	default:
		return number, nil
	}
}

// watch sends events until the caller leaves or falls behind. It fetches them when the
// caller has read those before, and holds none.
func (s *sessionService) watch(ctx context.Context, req *sessionv1.WatchSessionsRequest, send func(*sessionv1.WatchSessionsResponse) error) error {
	asked := req.GetFilter()
	if asked == nil {
		asked = new(sessionv1.WatchSessionsFilter)
	}
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	filter := r.filter(asked.Issuer, asked.Subject, asked.OrganizationId)
	if err := r.faults.Err(); err != nil {
		return err
	}
	events := s.ledger.Events()
	epoch := events.Epoch()
	number, err := s.watchFrom(req.GetResumeToken())
	if err != nil {
		return err
	}
	heartbeat := time.NewTicker(s.heartbeat)
	defer heartbeat.Stop()
	for due := true; ; { // whether a message is due, even one without events
		page, added, err := events.After(number)
		switch {
		case events.Epoch() != epoch:
			return rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
		case err != nil:
			return rpcerror.New(errorv1.Reason_REASON_READER_TOO_SLOW, rpcerror.RetryAfter(time.Second))
		}
		number += uint64(len(page))
		// The view is asked for each time: a newer token may have taken the caller's role.
		id := auth.MustCurrentIdentity(ctx)
		view := narrow(s.operators.view(id), filter)
		if lost(view, page) {
			return rpcerror.New(errorv1.Reason_REASON_POSITION_EXPIRED)
		}
		shown, err := s.eventsIn(ctx, id, view, page)
		if err != nil {
			return err
		}
		if due || len(shown) > 0 {
			if err := send(&sessionv1.WatchSessionsResponse{Events: shown, ResumeToken: position.Encode(epoch, watchScope, number)}); err != nil {
				return err
			}
			heartbeat.Reset(s.heartbeat)
		}
		if added == nil { // there may be more
			added = watch.Ready
		}
		if due, err = watch.Wait(ctx, added, heartbeat.C, s.stopping); err != nil {
			return err
		}
	}
}

// lost reports whether an event stands for more than are kept, of sessions that may be
// within the view.
func lost(view store.View, page []*ledger.Event) bool {
	return slices.ContainsFunc(page, func(e *ledger.Event) bool { return e.Lost != nil && len(narrow(view, *e.Lost)) > 0 })
}

// eventsIn returns the events as they are within the view.
func (s *sessionService) eventsIn(ctx context.Context, id *auth.Identity, view store.View, page []*ledger.Event) ([]*sessionv1.SessionEvent, error) {
	var events []*sessionv1.SessionEvent
	var within []*sessionv1.SessionEvent // those that show the session, which are
	var sessions []store.Session
	var states []sessionv1.SessionState
	for _, e := range page {
		was, is := matches(view, e.Before), matches(view, e.After)
		event := &sessionv1.SessionEvent{Type: e.Type, EventTime: timeMessage(e.Time)}
		switch {
		case !was && !is:
			continue
		case !is: // of a session that was removed, After is zero
			if e.Type != sessionv1.SessionEventType_SESSION_EVENT_TYPE_REMOVED {
				event.Type = sessionv1.SessionEventType_SESSION_EVENT_TYPE_LEFT
			}
			event.Session = &sessionv1.Session{Session: sessionRef(e.Before.Issuer, e.Before.ID, e.Before.Subject)}
		default:
			if !was {
				event.Type = sessionv1.SessionEventType_SESSION_EVENT_TYPE_SEEN
			}
			within, sessions, states = append(within, event), append(sessions, e.After), append(states, e.State)
		}
		events = append(events, event)
	}
	messages, err := s.messages(ctx, id, sessions...)
	if err != nil {
		return nil, err
	}
	for i, event := range within {
		event.Session = messages[i]
		// What became of it later is shown by later events, to those who may see them.
		if event.Session.State = states[i]; states[i] != sessionv1.SessionState_SESSION_STATE_REVOKED {
			event.Session.Revocation, event.Session.IssuerSignOut = nil, sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_UNSPECIFIED
		}
	}
	return events, nil
}

// matches reports whether there is a session, and it is within the view.
func matches(view store.View, session store.Session) bool {
	return session != (store.Session{}) && view.Matches(session)
}
