package server

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/internal/watch"
)

// watchRest is how long a watch waits for more decisions before it sends some, so that a busy
// server sends many at once.
const watchRest = 50 * time.Millisecond

func (s *Server) openDecisions() (err error) {
	s.decisions, err = decisions.Open(decisions.Config{
		Output: s.config.Decisions, MaxBytes: int64(s.config.DecisionsMaxSize) << 20, MaxFiles: s.config.DecisionsMaxFiles, RuleSource: s.rules.source, Log: s.log,
	})
	return err
}

// recordDecision keeps a decision, unless it is not recorded.
func (s *Server) recordDecision(ctx context.Context, d auth.Decision) {
	if isRecorded(&d) {
		s.decisions.Observe(ctx, d)
	}
}

// isRecorded reports whether a decision is recorded: not if it admits machines that call every
// few seconds.
func isRecorded(d *auth.Decision) bool { return d.Refusal != nil || !isFrequent(d.Procedure) }

// recordOutcome keeps what a handler has decided about a call that the guard had admitted.
func (s *Server) recordOutcome(ctx context.Context, call *transport.Call) {
	if call.Refusal == nil || call.Decision == nil || call.Decision.Refusal != nil {
		return
	}
	d := *call.Decision
	d.Refusal, d.Duration = call.Refusal, 0
	s.decisions.Observe(ctx, d)
}

// decisionService implements DecisionService for both transports. Its rule asks for a token;
// whether its bearer is an operator is decided here.
type decisionService struct {
	log       *decisions.Log
	operators operators
	heartbeat time.Duration // the longest silence of a watch
	stopping  <-chan struct{}
}

// watch sends decisions until the caller leaves.
func (s *decisionService) watch(ctx context.Context, req *decisionv1.WatchDecisionsRequest, send func(*decisionv1.WatchDecisionsResponse) error) error {
	if err := s.operators.require(auth.MustCurrentIdentity(ctx)); err != nil {
		return err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	filter := readDecisionFilter(req.GetFilter(), &faults)
	if req.GetRecentCount() < 0 {
		faults.Add("recent_count", "must not be negative; leave it out for none")
	}
	if err := faults.Err(); err != nil {
		return err
	}
	watcher, recent := s.begin(int(req.GetRecentCount()), filter)
	defer watcher.Close()
	heartbeat := time.NewTicker(s.heartbeat)
	defer heartbeat.Stop()
	for due := true; ; { // whether a message is due, even one without decisions
		records, missed, added, reported := watcher.Next()
		res := &decisionv1.WatchDecisionsResponse{MissedCount: int64(missed), Recent: recent} //nolint:gosec // it counts decisions
		recent = nil
		for _, r := range records {
			if filter.matches(r) {
				res.Decisions = append(res.Decisions, decisionMessage(r))
			}
		}
		if err := s.operators.require(auth.MustCurrentIdentity(ctx)); err != nil { // a newer token may have lost the permission
			return err
		}
		if due || missed > 0 || len(res.GetDecisions()) > 0 {
			if err := send(res); err != nil {
				return err
			}
			due = false
			heartbeat.Reset(s.heartbeat)
		}
		if len(records) > 0 {
			added = watch.Ready // there may be more
		}
		select {
		case <-added:
		case <-reported:
		case <-heartbeat.C:
			due = true
			continue
		case <-s.stopping:
			return rpcerror.Stopping()
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-time.After(watchRest):
		case <-s.stopping:
		case <-ctx.Done():
		}
	}
}

// begin begins to watch, and returns what was decided before: nil where nothing is asked for.
func (s *decisionService) begin(recentCount int, filter *decisionFilter) (*decisions.Watcher, *decisionv1.RecentDecisions) {
	if recentCount == 0 {
		return s.log.Watch(), nil
	}
	watcher, recent := s.log.WatchRecent()
	return watcher, recentDecisions(recent, filter, recentCount)
}

// A decisionFilter says which records are asked for.
type decisionFilter struct {
	*decisionv1.WatchDecisionsFilter

	outcome string // "" for any
}

func readDecisionFilter(asked *decisionv1.WatchDecisionsFilter, faults *rpcerror.Violations) *decisionFilter {
	if asked == nil {
		asked = new(decisionv1.WatchDecisionsFilter)
	}
	for _, part := range []struct {
		name  string
		asked *string
	}{
		{"issuer", asked.Issuer}, {"subject", asked.Subject}, {"procedure", asked.Procedure}, {"reason", asked.Reason}, {"service", asked.Service},
		{"request_id", asked.RequestId}, {"trace_id", asked.TraceId},
	} {
		if part.asked != nil && *part.asked == "" {
			faults.Add("filter."+part.name, "empty; leave it out to get all")
		}
	}
	outcome := decisions.OutcomeName(asked.GetOutcome())
	if asked.Outcome != nil && outcome == "" {
		faults.Add("filter.outcome", "not one that this server knows; leave it out to get all")
	}
	return &decisionFilter{asked, outcome}
}

// matches reports whether a record is asked for.
func (f *decisionFilter) matches(r *decisions.Record) bool {
	is := func(value string, asked *string) bool { return asked == nil || *asked == value }
	return is(r.Issuer, f.Issuer) && is(r.Subject, f.Subject) && is(r.Procedure, f.Procedure) && is(r.Reason, f.Reason) &&
		is(r.Service, f.Service) && is(r.RequestID, f.RequestId) && is(r.TraceID, f.TraceId) && (f.outcome == "" || r.Outcome == f.outcome)
}

// isCounted reports whether what is asked for is counted, by outcome and reason alone.
func (f *decisionFilter) isCounted() bool {
	return f.Issuer == nil && f.Subject == nil && f.Procedure == nil && f.Service == nil && f.RequestId == nil && f.TraceId == nil
}

func decisionOutcome(name string) decisionv1.DecisionOutcome {
	return decisionv1.DecisionOutcome(decisionv1.DecisionOutcome_value["DECISION_OUTCOME_"+strings.ToUpper(name)])
}

func decisionMessage(r *decisions.Record) *decisionv1.Decision {
	m := &decisionv1.Decision{
		DecisionId: r.ID, DecisionTime: timestamppb.New(r.Time),
		Procedure: r.Procedure, Protocol: r.Protocol, Reason: r.Reason, Cause: r.Cause,
		Outcome: decisionOutcome(r.Outcome),
		Issuer:  r.Issuer, Subject: r.Subject, Kind: kindMessage(r.Kind), SessionId: r.Session, OrganizationId: r.Organization,
		ClientId: r.ClientID, AuthorizedParty: r.AuthorizedParty, TokenId: r.TokenID,
		KeyId: r.KeyID, TokenHash: r.TokenHash, RuleSource: r.RuleSource, Peer: r.Peer, RequestId: r.RequestID, TraceId: r.TraceID, SpanId: r.SpanID, Count: r.Count,
		Requirement: r.Requirement, Service: r.Service, InstanceId: r.Instance,
	}
	if a := r.Actor; a != nil {
		m.Actor = &identityv1.Actor{Issuer: a.Issuer, Subject: a.Subject, SessionId: a.Session, Type: a.Type}
	}
	if r.Duration > 0 {
		m.Duration = durationpb.New(r.Duration)
	}
	return m
}

// connectDecision is the service as connect-go wants it.
type connectDecision struct{ *decisionService }

func (s connectDecision) WatchDecisions(ctx context.Context, req *decisionv1.WatchDecisionsRequest, stream *connect.ServerStream[decisionv1.WatchDecisionsResponse]) error {
	return s.watch(ctx, req, stream.Send)
}

// grpcDecision is the service as grpc-go wants it.
type grpcDecision struct {
	decisionv1.UnsafeDecisionServiceServer
	*decisionService
}

func (s grpcDecision) WatchDecisions(req *decisionv1.WatchDecisionsRequest, stream grpc.ServerStreamingServer[decisionv1.WatchDecisionsResponse]) error {
	return s.watch(stream.Context(), req, stream.Send)
}
