package decisions

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	// maxAlike is how many decisions about strangers are recorded that are alike, within the
	// interval; the others are counted.
	maxAlike = 10
	interval = 10 * time.Second
	// maxKinds bounds what is counted apart. It takes more procedures than a server has.
	maxKinds = 1000
)

// A kind is what decisions have in common that are alike.
type kind struct{ procedure, protocol, outcome, reason string }

func kindOf(d *auth.Decision) kind {
	k := kind{procedure: d.Procedure, protocol: d.Protocol, outcome: outcomeOf(d)}
	if d.Refusal != nil {
		k.reason = d.Refusal.Reason.String()
	}
	return k
}

// strangers decides which decisions about strangers are recorded one by one: they can cause
// any amount.
type strangers struct {
	flush func(of auth.Decision, count int64)

	mu    sync.Mutex
	seen  map[kind]*alike
	timer *time.Timer // nil while nothing was seen
}

// alike are decisions of one kind.
type alike struct {
	count int64
	of    auth.Decision // without what tells them apart
}

// admit reports whether to record a decision by itself.
func (s *strangers) admit(d *auth.Decision) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		s.seen = make(map[kind]*alike)
		s.timer = time.AfterFunc(interval, s.flushNow)
	}
	k := kindOf(d)
	if s.seen[k] == nil && len(s.seen) >= maxKinds {
		k.procedure = "" // those of many procedures together
	}
	a := s.seen[k]
	if a == nil {
		a = &alike{of: auth.Decision{Procedure: k.procedure, Protocol: d.Protocol, Ended: d.Ended}}
		if d.Refusal != nil {
			a.of.Refusal = &auth.Error{Reason: d.Refusal.Reason}
		}
		s.seen[k] = a
	}
	a.count++
	return a.count <= maxAlike
}

// flushNow records the counts of those that were left out.
func (s *strangers) flushNow() {
	s.mu.Lock()
	seen := s.seen
	if s.timer != nil {
		s.timer.Stop()
	}
	s.seen, s.timer = nil, nil
	s.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(seen), compareKinds) {
		if a := seen[k]; a.count > maxAlike {
			s.flush(a.of, a.count-maxAlike)
		}
	}
}

func compareKinds(a, b kind) int {
	return slices.Compare([]string{a.procedure, a.protocol, a.outcome, a.reason}, []string{b.procedure, b.protocol, b.outcome, b.reason})
}
