package feed

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxReported is how many sessions a report has at most.
	maxReported = 1000
	// maxDecisions is how many decisions a report has at most.
	maxDecisions = 200
	// maxRelays is how many relays a report can pass.
	maxRelays = 8
)

// Report implements both the connect and the grpc-go interface.
func (s *Service) Report(ctx context.Context, req *feedv1.ReportRequest) (*feedv1.ReportResponse, error) {
	if err := s.followers.Require(auth.MustFromContext(ctx)); err != nil {
		return nil, err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	checkFollower(req.GetFollower(), &faults)
	if n := len(req.GetSessions()); n > maxReported {
		faults.Add("sessions", "%d of them; report at most %d at once", n, maxReported)
	}
	if n := len(req.GetDecisions()); n > maxDecisions {
		faults.Add("decisions", "%d of them; report at most %d at once", n, maxDecisions)
	}
	if req.GetDroppedCount() < 0 {
		faults.Add("dropped_count", "must not be negative")
	}
	if n := req.GetRelayCount(); n < 0 || n > maxRelays {
		faults.Add("relay_count", "not between 0 and %d; relays must not follow each other", maxRelays)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	confirmed, err := position.Decode[ledger.Place](req.GetConfirmedResumeToken(), s.source.Epoch(), Scope)
	if err != nil {
		return nil, err
	}
	res, err := s.source.Report(ctx, req, confirmed)
	if err != nil {
		return nil, err
	}
	res.RejectedDecisionCount = s.decisions.Report(req.GetFollower(), req.GetDecisions(), s.now())
	if res.GetRejectedCount() > 0 || req.GetDroppedCount() > 0 {
		s.log.write(ctx, s.now(), "has lost reports of sessions", req.GetFollower(), "rejected", res.GetRejectedCount(), "dropped", req.GetDroppedCount())
	}
	return res, nil
}

// seenSession returns what a service has seen of a session.
func seenSession(service string, seen *feedv1.SeenSession) store.Session {
	session := store.Session{
		Issuer: seen.GetSession().GetIssuer(), ID: seen.GetSession().GetSessionId(), Subject: seen.GetSession().GetSubject(),
		Service: service, Organization: seen.GetOrganizationId(), AuthorizedParty: seen.GetAuthorizedParty(),
		UserAgent: seen.GetUserAgent(), Address: seen.GetIpAddress(),
		FirstSeen: timeOf(seen.GetFirstSeenTime()), LastSeen: timeOf(seen.GetLastSeenTime()),
		Token: store.Token{
			ID: seen.GetTokenId(), ClientID: seen.GetClientId(),
			IssuedAt: timeOf(seen.GetTokenIssueTime()), ExpiresAt: timeOf(seen.GetTokenExpireTime()),
		},
	}
	if actor := seen.GetActor(); actor != nil {
		session.Token.Actor = store.Actor{Issuer: actor.GetIssuer(), Subject: actor.GetSubject(), SessionID: actor.GetSessionId(), Type: actor.GetType()}
	}
	return session
}

// validTimes reports whether all times that are set are times.
func validTimes(seen *feedv1.SeenSession) bool {
	for _, t := range []*timestamppb.Timestamp{seen.GetFirstSeenTime(), seen.GetLastSeenTime(), seen.GetTokenIssueTime(), seen.GetTokenExpireTime()} {
		if t != nil && !t.IsValid() {
			return false
		}
	}
	return true
}

// timeOf returns the time of a message, as it is kept. It is zero for nil.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime().Truncate(time.Microsecond)
}
