package settings

import (
	"io"
	"log/slog"

	"github.com/ostiary/ostiary/server/settings"
)

// OnlyDatabase keeps what the database and its issuers need of the settings, so that nothing
// else is at fault. Warnings of the database go to log.
func (l *Loaded) OnlyDatabase(log io.Writer) {
	whole := l.Server
	l.Server = settings.Config{
		Issuers: whole.Issuers, DataDir: whole.DataDir, DatabaseURL: whole.DatabaseURL, DatabaseTimeout: whole.DatabaseTimeout,
		SessionRetention: whole.SessionRetention, Follow: whole.Follow,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// OnlyIssuers keeps the issuers alone, so that nothing else is at fault.
func (l *Loaded) OnlyIssuers() { l.Server = settings.Config{Issuers: l.Server.Issuers} }
