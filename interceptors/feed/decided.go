package feed

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	// countInterval is how often decisions are reported that are only counted.
	countInterval = 10 * time.Second
	// maxCounts bounds the kinds of decisions that are counted apart. More procedures are
	// counted together, under no name.
	maxCounts = 1000
	// maxVerified bounds the refusals of verified tokens that wait to be reported one by one,
	// and maxStrangers the others: one for each kind. The rest is counted.
	maxVerified  = 100
	maxStrangers = 20
	// decisionsAtOnce is how many decisions a report has at most.
	decisionsAtOnce = 200
	// maxText bounds each text of a reported decision, in bytes.
	maxText = 1 << 10
)

// A decisionKind is what decisions have in common that are counted together.
type decisionKind struct {
	procedure, protocol string
	outcome             decisionv1.DecisionOutcome
	reason              string // empty for an admitted call
}

// decided are the decisions that are to be reported.
type decided struct {
	mu        sync.Mutex
	verified  []*decisionv1.Decision  // refusals of callers whose tokens were verified
	strangers []*decisionv1.Decision  // refusals of others
	counts    map[decisionKind]*int64 // of all that are in neither
	taken     time.Time               // when the counts were, last
}

// note notes a decision. It runs in every call.
func (d *decided) note(decision *auth.Decision) {
	kind := kindOf(decision)
	stranger := decision.OfStranger()
	d.mu.Lock()
	defer d.mu.Unlock()
	count := d.counts[kind]
	switch {
	case decision.Refusal == nil:
	case !stranger && len(d.verified) < maxVerified:
		d.verified = append(d.verified, decisionMessage(kind, decision))
		return
	case stranger && count == nil && len(d.strangers) < maxStrangers:
		d.strangers = append(d.strangers, decisionMessage(kind, decision))
		d.count(kind)
		return
	}
	if count == nil {
		count = d.count(kind)
	}
	*count++
}

// count returns the count of a kind. d.mu must be held.
func (d *decided) count(kind decisionKind) *int64 {
	if d.counts[kind] == nil && len(d.counts) >= maxCounts {
		kind.procedure = ""
	}
	count := d.counts[kind]
	if count == nil {
		if d.counts == nil {
			d.counts = make(map[decisionKind]*int64)
		}
		count = new(int64)
		kind.procedure = strings.Clone(kind.procedure) // it may be a part of a request
		d.counts[kind] = count
	}
	return count
}

// take returns what is to be reported now, refusals of verified tokens first; with all set
// also the counts that are not due yet.
func (d *decided) take(now time.Time, all bool) []*decisionv1.Decision {
	d.mu.Lock()
	decisions := slices.Concat(d.verified, d.strangers)
	d.verified, d.strangers = nil, nil
	var counts map[decisionKind]*int64
	if all || now.Sub(d.taken) >= countInterval {
		counts, d.counts, d.taken = d.counts, nil, now
	}
	d.mu.Unlock()
	for kind, count := range counts {
		if *count > 0 {
			m := kind.message(now)
			m.Count = *count
			decisions = append(decisions, m)
		}
	}
	return decisions
}

// putBack has decisions reported again that were taken and that no hub has.
func (d *decided) putBack(decisions []*decisionv1.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range decisions {
		if m.GetIssuer() != "" && len(d.verified) < maxVerified {
			d.verified = append(d.verified, m)
		} else {
			*d.count(decisionKind{m.GetProcedure(), m.GetProtocol(), m.GetOutcome(), m.GetReason()}) += m.GetCount()
		}
	}
}

// reportDecisions reports to the hub what was decided. What it may have got is never sent again,
// so that nothing is counted twice.
func (f *Follower) reportDecisions(ctx context.Context, client feedv1connect.FeedServiceClient, all bool) {
	decisions := f.decided.take(time.Now(), all)
	for len(decisions) > 0 {
		n := min(len(decisions), decisionsAtOnce)
		sent := decisions[:n]
		res, err := f.send(ctx, client, &feedv1.ReportRequest{Decisions: sent})
		if decisions = decisions[n:]; err == nil {
			f.unreportDecisions(min(max(res.GetRejectedDecisionCount(), 0), int64(n)))
			continue
		}
		if notTaken(err) {
			decisions = append(sent, decisions...)
		} else {
			var lost int64
			for _, m := range sent {
				lost += m.GetCount()
			}
			f.unreportDecisions(lost)
		}
		f.decided.putBack(decisions)
		return
	}
}

func (f *Follower) unreportDecisions(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unreportedDecisions += n
}

// notTaken reports whether a hub says that it has taken nothing of a report, which another
// may take, or this one later.
func notTaken(err error) bool {
	return connect.IsWireError(err) && slices.Contains([]connect.Code{
		connect.CodeUnauthenticated, connect.CodeFailedPrecondition, connect.CodeOutOfRange,
	}, connect.CodeOf(err))
}

func kindOf(d *auth.Decision) decisionKind {
	kind := decisionKind{procedure: bounded(d.Procedure), protocol: d.Protocol, outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED}
	if d.Refusal != nil {
		kind.outcome, kind.reason = decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED, d.Refusal.Reason.String()
	}
	if d.Ended {
		kind.outcome = decisionv1.DecisionOutcome_DECISION_OUTCOME_ENDED
	}
	return kind
}

// message returns a Decision of the kind.
func (k decisionKind) message(now time.Time) *decisionv1.Decision {
	return &decisionv1.Decision{
		DecisionTime: timestamppb.New(now), Procedure: k.procedure, Protocol: k.protocol, Outcome: k.outcome, Reason: k.reason, Count: 1,
	}
}

// decisionMessage returns what is reported of a decision. Its texts are copies: those of an
// identity keep the whole token in memory.
func decisionMessage(kind decisionKind, d *auth.Decision) *decisionv1.Decision {
	text := func(s string) string { return strings.Clone(bounded(s)) }
	kind.procedure = text(kind.procedure)
	m := kind.message(time.Now())
	if m.Peer, m.RequestId = text(d.Peer), text(d.RequestID); d.Duration > 0 {
		m.Duration = durationpb.New(d.Duration)
	}
	if d.Refusal != nil {
		if m.Requirement = text(d.Refusal.Requirement); d.Refusal.Cause != nil {
			m.Cause = text(d.Refusal.Cause.Error())
		}
	}
	token := d.Token()
	m.TokenHash = text(token.TokenHash)
	m.Issuer, m.Subject, m.SessionId, m.TokenId, m.KeyId = text(token.Issuer), text(token.Subject), text(token.SessionID), text(token.TokenID), text(token.KeyID)
	if id := d.Identity; id != nil {
		m.Kind = policyv1.TokenKind(policyv1.TokenKind_value["TOKEN_KIND_"+strings.ToUpper(id.Kind.String())])
		m.OrganizationId, m.ClientId, m.AuthorizedParty = text(id.Organization.ID), text(id.ClientID), text(id.AuthorizedParty)
		if a := id.Actor; a != nil {
			m.Actor = &identityv1.Actor{Issuer: text(a.Issuer), Subject: text(a.Subject), SessionId: text(a.SessionID), Type: text(a.Type)}
		}
	}
	return m
}

// bounded returns as much of a text as is reported.
func bounded(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }
