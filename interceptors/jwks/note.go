package jwks

import (
	"context"
	"log/slog"
	"time"
)

// note takes down a line for the Logger, which is told when r.mu is free: a slow
// handler must not hold up lookups, and one that asks for the Status must get it.
// r.mu must be held, unless nobody knows r yet.
func (r *Remote) note(level slog.Level, message string, args ...any) {
	line := slog.NewRecord(time.Now(), level, message, 0)
	line.Add("source", r.config.source())
	line.Add(args...)
	r.refresh.notes = append(r.refresh.notes, line)
}

// tell hands the notes to the Logger. r.mu must not be held.
func (r *Remote) tell() {
	r.mu.Lock()
	notes := r.refresh.notes
	r.refresh.notes = nil
	r.mu.Unlock()
	ctx, handler := context.Background(), r.config.Logger.Handler()
	for _, line := range notes {
		if handler.Enabled(ctx, line.Level) {
			_ = handler.Handle(ctx, line) // as slog.Logger does: there is nobody to tell
		}
	}
}
