package jwks

import (
	"context"
	"log/slog"
	"time"
)

// Status describes the state of a Remote for operators. It contains no secret.
type Status struct {
	// Source is the URL or the Issuer of the configuration.
	Source string
	// Ready reports whether there are keys to verify with.
	Ready bool
	// Keys are the usable keys, in the order of the document.
	Keys []KeyStatus
	// Skipped are the entries of the document that are not used.
	Skipped []Skipped
	// FetchedAt is when the last successful fetch started, and Age the time since
	// then. Both are zero before the first success.
	FetchedAt time.Time
	Age       time.Duration
	// Fetches counts the fetches that were started, Failures those that failed
	// since the last success. SuccessfulFetches and FailedFetches are all that have ended.
	Fetches, Failures, SuccessfulFetches, FailedFetches int
	// UnknownKeys counts the lookups of a key that the issuer does not have: forged tokens,
	// or those of a key that was withdrawn.
	UnknownKeys int64
	// LastAttempt is when a fetch was last started.
	LastAttempt time.Time
	// LastError says why the last fetch failed; empty when it did not. It may name addresses
	// of the network, and is not for callers.
	LastError string
	// FailingSince is when the first of the Failures started; zero when there are none.
	FailingSince time.Time
	// NextFetch is when the next fetch is due. A token may cause an earlier one.
	NextFetch time.Time
}

// KeyStatus is one key of a Status.
type KeyStatus struct {
	ID         string
	Algorithms []string
}

// ClockAhead returns how far the issuer's clock was ahead of this machine's when it last sent its
// keys; less than 0 where it was behind. It is 0 where they agreed to within two seconds, or where
// nothing is known of it.
func (r *Remote) ClockAhead() time.Duration { return time.Duration(r.ahead.Load()) }

// Status returns the current state.
func (r *Remote) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{
		Source:   r.config.source(),
		Ready:    r.Ready(),
		Fetches:  r.refresh.started,
		Failures: r.refresh.failures,

		SuccessfulFetches: r.refresh.successes,
		FailedFetches:     r.refresh.failed,
		UnknownKeys:       r.refresh.unknown,
		LastAttempt:       r.refresh.lastAttempt,
		NextFetch:         r.refresh.next,
		FailingSince:      r.refresh.failingSince,
	}
	if r.refresh.lastError != nil {
		s.LastError = r.refresh.lastError.Error()
	}
	g := r.current.Load()
	if g == nil {
		return s
	}
	s.FetchedAt = g.fetchedAt
	s.Age = r.config.Now().Sub(g.fetchedAt)
	s.Skipped = append(s.Skipped, g.document.skipped...)
	for _, key := range g.all {
		s.Keys = append(s.Keys, KeyStatus{ID: key.id, Algorithms: key.Algorithms()})
	}
	return s
}

// queueLog queues a line for the Logger. writeLog writes it once r.mu is free, because
// a slow handler must not delay lookups, and a handler may call Status. r.mu must be
// held, unless r is not shared yet.
func (r *Remote) queueLog(level slog.Level, message string, args ...any) {
	line := slog.NewRecord(time.Now(), level, message, 0)
	line.Add("source", r.config.source())
	line.Add(args...)
	r.refresh.logQueue = append(r.refresh.logQueue, line)
}

// writeLog writes the queued lines. r.mu must not be held.
func (r *Remote) writeLog() {
	r.mu.Lock()
	lines := r.refresh.logQueue
	r.refresh.logQueue = nil
	r.mu.Unlock()
	ctx, handler := context.Background(), r.config.Logger.Handler()
	for _, line := range lines {
		if handler.Enabled(ctx, line.Level) {
			_ = handler.Handle(ctx, line) // slog.Logger ignores it too
		}
	}
}
