package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
)

// RevokeSession implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSession(ctx context.Context, req *sessionv1.RevokeSessionRequest) (*sessionv1.RevokeSessionResponse, error) {
	id := auth.MustFromContext(ctx)
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	var named store.Session
	switch target := req.GetTarget().(type) {
	case *sessionv1.RevokeSessionRequest_Session:
		named = r.session("session", target.Session)
		r.trusted("session", named.Issuer)
	case *sessionv1.RevokeSessionRequest_CurrentSession:
		named = store.Session{Issuer: id.Issuer, ID: ledger.SessionOf(id), Subject: id.Subject}
		if named.ID == "" {
			r.faults.Add("current_session", "your own token belongs to no session; name a session")
		}
	default:
		r.faults.Add("target", "missing; name a session, or set current_session for your own")
	}
	r.cause("cause", req.GetCause())
	r.requestID(req.GetRequestId())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	sessions, err := s.toEnd(ctx, id, named)
	if err != nil {
		return nil, err
	}
	// A call of another session of the same caller means another session.
	request := &sessionv1.RevokeSessionRequest{
		Target: &sessionv1.RevokeSessionRequest_Session{Session: sessionRef(named.Issuer, named.ID, named.Subject)},
		Cause:  req.GetCause(),
	}
	res, err := once(ctx, s.ledger, s.operators, id, sessionv1.SessionService_RevokeSession_FullMethodName, req.GetRequestId(), request,
		func(answer *store.Answer) (*sessionv1.RevokeSessionResponse, error) {
			return s.end(ctx, id, store.Origin{Kind: store.OriginCaller, Caller: ledger.CallerOf(id)}, req.GetCause(), answer, sessions)
		})
	if err != nil {
		return nil, err
	}
	res.Propagation = propagation(ctx, s.ledger)
	return res, nil
}

// toEnd returns the sessions that a caller means, and may end. Its own session, or
// any to an operator, need not have been seen.
func (s *sessionService) toEnd(ctx context.Context, id *auth.Identity, named store.Session) ([]store.Session, error) {
	own := store.Session{Issuer: id.Issuer, ID: ledger.SessionOf(id), Subject: id.Subject}
	switch {
	case s.operators.include(id):
		return []store.Session{named}, nil
	case named.Issuer == own.Issuer && named.ID == own.ID && (named.Subject == own.Subject || named.Subject == ""):
		return []store.Session{own}, nil
	}
	sessions, err := s.allSessions(ctx, s.viewOf(id, named))
	switch {
	case err != nil:
		return nil, err
	case len(sessions) == 0:
		return nil, errNoSession()
	default:
		return sessions, requireInPerson(id)
	}
}

// end ends the sessions that have not ended yet. The response is for id.
func (s *sessionService) end(ctx context.Context, id *auth.Identity, origin store.Origin, cause string, answer *store.Answer, sessions []store.Session) (*sessionv1.RevokeSessionResponse, error) {
	ends, ended, err := s.ledger.NotEnded(ctx, cause, sessions...)
	if err != nil {
		return nil, err
	}
	count := len(ends)
	if len(sessions) == 1 && count == 1 { // which may never have been seen, or be those of several subjects
		if count, err = s.countNotEnded(ctx, sessions[0]); err != nil {
			return nil, err
		}
	}
	signOut, err := s.signOut(ctx, sessions[0], ended)
	if err != nil {
		return nil, err
	}
	response := func(saved []store.Revocation) *sessionv1.RevokeSessionResponse {
		res := &sessionv1.RevokeSessionResponse{RevokedSessionCount: int64(count), IssuerSignOut: signOut}
		for _, revocations := range [][]store.Revocation{ended, saved} {
			for _, r := range revocations {
				res.Revocations = append(res.Revocations, revocationMessage(r, s.operators, id))
			}
		}
		return res
	}
	if answer != nil {
		answer.Encode = func(saved []store.Revocation) ([]byte, error) { return proto.Marshal(response(saved)) }
	}
	saved, err := s.ledger.Revoke(ctx, origin, answer, ends...)
	if err != nil {
		return nil, err
	}
	return response(saved), nil
}

// signOut has a session that revocations have ended before ended at its issuer, too, and
// returns what the issuer knows of its end when the call is answered.
func (s *sessionService) signOut(ctx context.Context, session store.Session, ended []store.Revocation) (sessionv1.IssuerSignOut, error) {
	if err := s.ledger.SignOut(ctx, ended...); err != nil {
		return 0, err
	}
	states, err := s.ledger.SignOutStates(ctx, store.SignOut{Issuer: session.Issuer, SessionID: session.ID, Subject: session.Subject})
	switch {
	case err != nil:
		return 0, err
	case states[0] == sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_CONFIGURED, states[0] == sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_DONE:
		return states[0], nil
	default: // it is requested with what ends the session now
		return sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING, nil
	}
}

// countNotEnded returns how many of the sessions by a name were seen, and have not ended.
func (s *sessionService) countNotEnded(ctx context.Context, named store.Session) (int, error) {
	seen, err := s.allSessions(ctx, store.View{{Issuer: named.Issuer, ID: named.ID, Subject: named.Subject}})
	if err != nil {
		return 0, err
	}
	ends, _, err := s.ledger.NotEnded(ctx, "", seen...)
	return len(ends), err
}

// RevokeSubject implements both the connect and the grpc-go interface.
func (s *sessionService) RevokeSubject(ctx context.Context, req *sessionv1.RevokeSubjectRequest) (*sessionv1.RevokeSubjectResponse, error) {
	id := auth.MustFromContext(ctx)
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	var named subject
	switch target := req.GetTarget().(type) {
	case *sessionv1.RevokeSubjectRequest_Subject:
		named = r.subject("subject", target.Subject)
	case *sessionv1.RevokeSubjectRequest_CurrentSubject:
		named = subject{id.Issuer, id.Subject}
	default:
		r.faults.Add("target", "missing; name a subject, or set current_subject for yourself")
	}
	if named.issuer != "" && named.id != "" {
		if err := s.operators.maySignOut(id, named.issuer, named.id); err != nil {
			return nil, err
		}
	}
	r.trusted("subject", named.issuer)
	r.cause("cause", req.GetCause())
	r.requestID(req.GetRequestId())
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	request := &sessionv1.RevokeSubjectRequest{
		Target: &sessionv1.RevokeSubjectRequest_Subject{Subject: &revocationv1.SubjectRef{Issuer: named.issuer, Subject: named.id}},
		Cause:  req.GetCause(),
	}
	response := func(everything store.Revocation, ended int) *sessionv1.RevokeSubjectResponse {
		return &sessionv1.RevokeSubjectResponse{
			Revocations:         []*revocationv1.Revocation{revocationMessage(everything, s.operators, id)},
			RevokedSessionCount: int64(ended),
			IssuerSignOut:       s.signOutOf(named.issuer, ended),
		}
	}
	res, err := once(ctx, s.ledger, s.operators, id, sessionv1.SessionService_RevokeSubject_FullMethodName, req.GetRequestId(), request,
		func(answer *store.Answer) (*sessionv1.RevokeSubjectResponse, error) {
			origin := store.Origin{Kind: store.OriginCaller, Caller: ledger.CallerOf(id)}
			everything, ended, err := s.ledger.EndSubject(ctx, origin, named.issuer, named.id, req.GetCause(), answer,
				func(everything store.Revocation, ended int) ([]byte, error) {
					return proto.Marshal(response(everything, ended))
				})
			if err != nil {
				return nil, err
			}
			return response(everything, ended), nil
		})
	if err != nil {
		return nil, err
	}
	res.Propagation = propagation(ctx, s.ledger)
	return res, nil
}

// signOutOf returns what an issuer knows of the end of so many sessions.
func (s *sessionService) signOutOf(issuer string, ended int) sessionv1.IssuerSignOut {
	switch {
	case !s.ledger.EndsAtIssuer(issuer):
		return sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_CONFIGURED
	case ended == 0:
		return sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_UNSPECIFIED
	default:
		return sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING
	}
}
