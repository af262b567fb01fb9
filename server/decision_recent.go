package server

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	"github.com/ostiary/ostiary/server/internal/decisions"
)

// recentDecisions returns what matches of what was decided before a watch: the latest, up to so
// many.
func recentDecisions(recent *decisions.Recent, filter *decisionFilter, limit int) *decisionv1.RecentDecisions {
	matching := slices.DeleteFunc(recent.Records, func(r *decisions.Record) bool { return !filter.matches(r) })
	var cut time.Time // since when there are no more of them than wanted
	if excess := len(matching) - limit; excess > 0 {
		cut = matching[excess-1].Time.Add(1)
		matching = matching[excess:]
	}
	m := new(decisionv1.RecentDecisions)
	for _, r := range matching {
		m.Decisions = append(m.Decisions, decisionMessage(r))
	}
	since := func(kept time.Time) *timestamppb.Timestamp {
		if cut.After(kept) {
			kept = cut
		}
		return timestamppb.New(kept)
	}
	if filter.outcome != decisions.Admitted {
		m.RefusedSinceTime = since(recent.RefusedSince)
	}
	if (filter.outcome == "" || filter.outcome == decisions.Admitted) && filter.Reason == nil {
		m.AdmittedSinceTime = since(recent.AdmittedSince)
	}
	if filter.isCounted() {
		m.Counts, m.CountedSinceTime = countMessages(recent.Counts, filter), timestamppb.New(recent.CountedSince)
	}
	return m
}

// countMessages returns the counts of each outcome and reason that match, by minute.
func countMessages(counts []decisions.Count, filter *decisionFilter) (messages []*decisionv1.DecisionCount) {
	slices.SortFunc(counts, func(a, b decisions.Count) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason), a.Minute.Compare(b.Minute))
	})
	for _, c := range counts {
		if !filter.matches(&decisions.Record{Outcome: c.Outcome, Reason: c.Reason}) {
			continue
		}
		last := len(messages) - 1
		if last < 0 || messages[last].GetOutcome() != decisionOutcome(c.Outcome) || messages[last].GetReason() != c.Reason {
			messages = append(messages, &decisionv1.DecisionCount{Outcome: decisionOutcome(c.Outcome), Reason: c.Reason})
			last++
		}
		of := messages[last]
		if n := len(of.GetMinutes()); n > 0 && of.GetMinutes()[n-1].GetStartTime().AsTime().Equal(c.Minute) {
			of.Minutes[n-1].Count += c.Count // the server's own, and those of services
		} else {
			of.Minutes = append(of.Minutes, &decisionv1.MinuteCount{StartTime: timestamppb.New(c.Minute), Count: c.Count})
		}
	}
	return messages
}
