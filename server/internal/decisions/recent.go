package decisions

import (
	"maps"
	"slices"
	"time"
)

const (
	// maxRecent and maxRecentBytes bound each of the three that a history keeps apart: of both
	// queues together, 2000 entries and 2 MiB.
	maxRecent      = 333
	maxRecentBytes = 340 << 10
	// minutes is for how many of them decisions are counted.
	minutes = 60
)

// Recent is what was decided before a watch, as far as it is kept.
type Recent struct {
	// Records are in the order of their times.
	Records []*Record
	// RefusedSince is since when Records has all that were refused, or ended, and AdmittedSince
	// since when it has all that were admitted. Neither is before the Log was opened.
	RefusedSince, AdmittedSince time.Time
	// Counts are those of the last hour, in no order, and several may be of the same.
	// CountedSince is since when they have all.
	Counts       []Count
	CountedSince time.Time
}

// A Count is how many decisions there were within a minute.
type Count struct {
	Outcome, Reason string
	Minute          time.Time // when it began
	Count           int64
}

// WatchRecent returns a Watcher, which Close ends, and what was decided before: each decision is
// in one of both.
func (l *Log) WatchRecent() (*Watcher, *Recent) {
	own, before := l.entries.readRecent()
	reported, beforeReported := l.reported.readRecent()
	now := time.Now()
	recent := &Recent{RefusedSince: l.opened, AdmittedSince: l.opened, CountedSince: later(l.opened, now.Truncate(time.Minute).Add(-(minutes-1)*time.Minute))}
	for _, h := range []history{before, beforeReported} {
		recent.RefusedSince = later(recent.RefusedSince, later(h.refused.lost, h.strangers.lost))
		recent.AdmittedSince = later(recent.AdmittedSince, h.admitted.lost)
		for _, e := range slices.Concat(h.strangers.entries, h.refused.entries, h.admitted.entries) {
			recent.Records = append(recent.Records, l.record(e))
		}
		recent.Counts = append(recent.Counts, h.counts.since(now)...)
	}
	slices.SortStableFunc(recent.Records, func(a, b *Record) int { return a.Time.Compare(b.Time) })
	return l.watcher(own, reported), recent
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A history is what is kept of the entries of a queue, for who begins to read them.
type history struct {
	// They are apart, so that none pushes out another: what strangers are refused, what callers
	// are whose token is known, and the calls of a busy server.
	strangers, refused, admitted kept
	counts                       counts
}

func (h *history) add(e *entry) {
	h.counts.add(e)
	switch {
	case e.outcome().name == Admitted:
		h.admitted.add(e)
	case e.record.Issuer == "": // nothing is known of the caller
		h.strangers.add(e)
	default:
		h.refused.add(e)
	}
}

func (h *history) clone() history {
	c := history{strangers: h.strangers.clone(), refused: h.refused.clone(), admitted: h.admitted.clone()}
	for i, m := range h.counts {
		c.counts[i] = minute{m.number, maps.Clone(m.of)}
	}
	return c
}

// kept are the latest entries: a ring, whose oldest is at next.
type kept struct {
	entries []*entry // nil where there is none
	next    int
	bytes   int
	lost    time.Time // a moment after the last one that is gone was decided; zero for none
}

func (k *kept) add(e *entry) {
	if k.entries == nil {
		k.entries = make([]*entry, maxRecent)
	}
	k.remove(k.next)
	for i := 1; i < maxRecent && k.bytes+e.bytes > maxRecentBytes; i++ {
		k.remove((k.next + i) % maxRecent)
	}
	k.entries[k.next] = e
	k.bytes += e.bytes
	k.next = (k.next + 1) % maxRecent
}

// remove removes the entry at a place, if there is one.
func (k *kept) remove(place int) {
	if e := k.entries[place]; e != nil {
		k.lost = later(k.lost, e.decided().Add(1))
		k.bytes -= e.bytes
		k.entries[place] = nil
	}
}

// clone returns a copy, the oldest first.
func (k *kept) clone() kept {
	in := slices.Concat(k.entries[k.next:], k.entries[:k.next])
	return kept{entries: slices.DeleteFunc(in, func(e *entry) bool { return e == nil }), lost: k.lost}
}

// counts are how many decisions there were in each minute of the last hour, and of the next, since
// the clock of a service may be ahead: at the place of the remainder of its number.
type counts [minutes + 1]minute

// A minute has how many decisions there were in it.
type minute struct {
	number int64 // since 1970
	of     map[outcome]int64
}

// An outcome is what is counted apart: there are as many as there are reasons, which are known.
type outcome struct{ name, reason string }

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (c *counts) add(e *entry) {
	number := minuteOf(e.decided())
	if number < 0 {
		return
	}
	m := &c[number%int64(len(c))]
	if m.of == nil || m.number < number {
		*m = minute{number, make(map[outcome]int64)}
	}
	if m.number == number {
		m.of[e.outcome()] += max(e.count, 1)
	}
}

// since returns the counts of the hour before now.
func (c *counts) since(now time.Time) (all []Count) {
	for _, m := range c {
		for of, n := range m.of {
			if m.number > minuteOf(now)-minutes {
				all = append(all, Count{of.name, of.reason, time.Unix(m.number*60, 0).UTC(), n})
			}
		}
	}
	return all
}
