package token

import (
	"log/slog"
	"sync"
	"time"
)

// notices logs which claims could not be read, each at most once a minute. There
// are no more of them than an issuer's profile has paths.
type notices struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   map[notice]time.Time
}

type notice struct{ issuer, claim string }

func (n *notices) warn(issuer string, claims []string, now time.Time) {
	if n.logger == nil {
		return
	}
	for _, claim := range claims {
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
	if last, logged := n.last[one]; logged && now.Sub(last) < time.Minute {
		return false
	}
	if n.last == nil {
		n.last = make(map[notice]time.Time)
	}
	n.last[one] = now
	return true
}
