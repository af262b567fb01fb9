package jwks

import (
	"context"
	"log/slog"
	"time"
)

// note queues a line for the Logger. writeNotes writes it once r.mu is free, because
// a slow handler must not delay lookups, and a handler may call Status. r.mu must be
// held, unless r is not shared yet.
func (r *Remote) note(level slog.Level, message string, args ...any) {
	line := slog.NewRecord(time.Now(), level, message, 0)
	line.Add("source", r.config.source())
	line.Add(args...)
	r.refresh.notes = append(r.refresh.notes, line)
}

// writeNotes writes the queued lines. r.mu must not be held.
func (r *Remote) writeNotes() {
	r.mu.Lock()
	notes := r.refresh.notes
	r.refresh.notes = nil
	r.mu.Unlock()
	ctx, handler := context.Background(), r.config.Logger.Handler()
	for _, line := range notes {
		if handler.Enabled(ctx, line.Level) {
			_ = handler.Handle(ctx, line) // slog.Logger ignores it too
		}
	}
}
