package decisions

import (
	"strings"
	"time"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	// maxCount bounds the count of a reported decision.
	maxCount = 1_000_000_000_000
	// maxAhead is how far ahead of this server's clock the time of a reported decision may be.
	maxAhead = time.Minute
	// maxProtocol and maxTrace bound texts that a guard or a tracer writes, in bytes.
	maxProtocol, maxTrace = 16, 32
)

// Report shows watchers what a service has decided, and returns how many of the decisions
// were left out, since they cannot be. They wait apart from this server's own, so that
// services cannot push those out, and are not written to the file.
func (l *Log) Report(from *feedv1.Follower, decisions []*decisionv1.Decision, now time.Time) (rejected int64) {
	for _, m := range decisions {
		r := reportedRecord(m, now)
		if r == nil {
			rejected++
			continue
		}
		r.Service, r.Instance = from.GetService(), from.GetInstanceId()
		l.reported.add(&entry{time: now, record: r, count: r.Count})
	}
	l.accepted.Add(uint64(int64(len(decisions)) - rejected)) //nolint:gosec // not negative
	l.rejected.Add(uint64(rejected))
	return rejected
}

// reportedRecord returns the Record of a decision that a service reports; nil for one that
// cannot be.
func reportedRecord(m *decisionv1.Decision, now time.Time) *Record {
	outcome, duration := OutcomeName(m.GetOutcome()), m.GetDuration()
	reason, known := auth.ParseReason(m.GetReason())
	switch {
	case outcome == "", m.GetCount() < 1 || m.GetCount() > maxCount, len(m.GetProtocol()) > maxProtocol, !known && m.GetReason() != "",
		len(m.GetTraceId()) > maxTrace || len(m.GetSpanId()) > maxTrace,
		!m.GetDecisionTime().IsValid() || m.GetDecisionTime().AsTime().After(now.Add(maxAhead)),
		duration != nil && (!duration.IsValid() || duration.AsDuration() < 0):
		return nil
	}
	text := func(s string) string { return cut(s, maxText) }
	r := &Record{
		Time: m.GetDecisionTime().AsTime(), Procedure: text(m.GetProcedure()), Protocol: m.GetProtocol(), Outcome: outcome,
		Cause: cut(m.GetCause(), maxCause), Requirement: text(m.GetRequirement()),
		Issuer: text(m.GetIssuer()), Subject: text(m.GetSubject()), Session: text(m.GetSessionId()), Organization: text(m.GetOrganizationId()),
		ClientID: text(m.GetClientId()), AuthorizedParty: text(m.GetAuthorizedParty()), TokenID: text(m.GetTokenId()), KeyID: text(m.GetKeyId()), TokenHash: text(m.GetTokenHash()),
		Peer: text(m.GetPeer()), RequestID: text(m.GetRequestId()), TraceID: m.GetTraceId(), SpanID: m.GetSpanId(),
		Duration: duration.AsDuration(), Count: m.GetCount(),
	}
	if known {
		r.Reason = reason.String()
	}
	if kind, err := auth.ParseTokenKind(strings.ToLower(strings.TrimPrefix(m.GetKind().String(), "TOKEN_KIND_"))); err == nil {
		r.Kind, r.KindName = kind, kind.String()
	}
	if a := m.GetActor(); a != nil {
		r.Actor = &Actor{text(a.GetIssuer()), text(a.GetSubject()), text(a.GetSessionId()), text(a.GetType())}
	}
	return r
}

// OutcomeName returns the name of an outcome in records; "" for one that is not known.
func OutcomeName(outcome decisionv1.DecisionOutcome) string {
	switch outcome {
	case decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED:
		return Admitted
	case decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED:
		return Refused
	case decisionv1.DecisionOutcome_DECISION_OUTCOME_ENDED:
		return Ended
	case decisionv1.DecisionOutcome_DECISION_OUTCOME_UNSPECIFIED:
	}
	return ""
}
