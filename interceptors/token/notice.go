package token

import (
	"log/slog"
	"maps"
	"sync"
	"time"
)

// The most notices in a minute, and the most of a claim's name in one: with some
// issuers, tokens themselves name the claim.
const (
	maxNotices    = 100
	maxNoticeName = 100
)

// notices logs which claims could not be read, each at most once a minute.
type notices struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   map[notice]time.Time
}

type notice struct{ issuer, claim string }

func (n *notices) warn(issuer string, claims []string, now time.Time) {
	for _, claim := range claims {
		claim = claim[:min(len(claim), maxNoticeName)]
		if n.due(notice{issuer, claim}, now) {
			n.logger.Warn("a claim cannot be read and grants nothing; name its path, or the member of an object that has the name, in the issuer's profile",
				"issuer", issuer, "claim", claim)
		}
	}
}

// due reports whether a notice was not logged within a minute, and notes that it
// is logged now.
func (n *notices) due(one notice, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.last, func(_ notice, last time.Time) bool { return now.Sub(last) >= time.Minute })
	if _, logged := n.last[one]; logged || len(n.last) == maxNotices {
		return false
	}
	if n.last == nil {
		n.last = make(map[notice]time.Time)
	}
	n.last[one] = now
	return true
}
