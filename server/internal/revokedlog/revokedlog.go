// Package revokedlog logs of each call that is refused because its token was revoked who has
// revoked what, why and when. The guard knows only what was revoked: the rest is in the store,
// and is read after the call.
//
//	log := revokedlog.Start(revokedlog.Config{Find: db.Strongest, Now: time.Now, Logger: logger})
//	log.Refused(ctx, refusal) // does not wait
//	log.Close()
package revokedlog

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/internal/logtext"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxWaiting bounds the refusals that are not logged yet. The lines of the others are left
	// out: a client that repeats its calls has the same lines again.
	maxWaiting = 256
	// What was found is remembered for so long, and of so many targets.
	rememberFor   = time.Minute
	maxRemembered = 1000
	// findTimeout bounds the reading of one.
	findTimeout = 5 * time.Second
)

// Config says where to look, and where to log. Every field is required.
type Config struct {
	// Find returns the strongest revocation of each target, as that of a store.Store does.
	Find   func(ctx context.Context, targets []store.Target, now time.Time) ([]store.Revocation, error)
	Now    func() time.Time
	Logger *slog.Logger
}

// A Log writes the lines. Its methods may be called from any goroutine; a nil Log writes none.
type Log struct {
	config Config
	queue  chan refused
	cancel context.CancelFunc
	done   sync.WaitGroup

	remembered map[store.Target]found // for the goroutine alone
}

// refused is a call that was refused.
type refused struct {
	ctx    context.Context //nolint:containedctx // it has the id of the call for its line, and is not waited for
	target store.Target
}

type found struct {
	attrs []slog.Attr // nil where there is nothing in the store
	until time.Time
}

// Start returns a Log that writes until it is closed.
func Start(config Config) *Log {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Log{config: config, queue: make(chan refused, maxWaiting), cancel: cancel, remembered: make(map[store.Target]found)}
	l.done.Go(func() { l.run(ctx) })
	return l
}

// Close ends the writing, also of the lines that wait.
func (l *Log) Close() {
	if l != nil {
		l.cancel()
		l.done.Wait()
	}
}

// Refused logs why a token was revoked, where that is why a call was refused. The context is
// that of the call. It does not wait.
func (l *Log) Refused(ctx context.Context, refusal *auth.Error) {
	var cause *revocation.RevokedError
	if l == nil || refusal == nil || refusal.Reason != auth.TokenRevoked || !errors.As(refusal, &cause) {
		return
	}
	r := cause.Revocation
	select {
	case l.queue <- refused{context.WithoutCancel(ctx), store.Target{Kind: r.Kind.String(), Issuer: r.Issuer, Value: r.ID, Subject: r.Subject}}:
	default:
	}
}

func (l *Log) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case call := <-l.queue:
			if attrs := l.find(ctx, call.target); attrs != nil {
				l.config.Logger.LogAttrs(call.ctx, slog.LevelInfo, "the token was revoked", attrs...) //nolint:contextcheck // the line is the call's
			}
		}
	}
}

// find returns what the line says of a target, nil where nothing is known.
func (l *Log) find(ctx context.Context, target store.Target) []slog.Attr {
	now := l.config.Now()
	if known, ok := l.remembered[target]; ok && now.Before(known.until) {
		return known.attrs
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	revocations, err := l.config.Find(ctx, []store.Target{target}, now)
	if err != nil {
		return nil // the ledger logs that the store fails
	}
	if len(l.remembered) >= maxRemembered {
		clear(l.remembered)
	}
	var attrs []slog.Attr
	if len(revocations) > 0 {
		attrs = describe(&revocations[0])
	}
	l.remembered[target] = found{attrs, now.Add(rememberFor)}
	return attrs
}

func describe(r *store.Revocation) []slog.Attr {
	var attrs []slog.Attr
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, logtext.Bounded(value)))
		}
	}
	add("target", r.Target.Kind)
	add("target_issuer", r.Target.Issuer)
	add("target_id", r.Target.Value)
	add("target_subject", r.Target.Subject)
	add("revocation", hex.EncodeToString(r.ID[:]))
	attrs = append(attrs, slog.Time("revoked_at", r.CreatedAt))
	if !r.IssuedBefore.IsZero() {
		attrs = append(attrs, slog.Time("issued_before", r.IssuedBefore))
	}
	add("origin", r.Origin.Kind)
	by := r.Origin.Caller
	if r.Origin.Kind == store.OriginBreakGlass {
		add("by_user", by.Subject)
	} else {
		add("by_subject", by.Subject)
	}
	add("by_issuer", by.Issuer)
	add("by_session", by.SessionID)
	add("by_client", by.ClientID)
	add("by_actor", by.Actor.Subject)
	signal := r.Origin.Signal
	add("signal_source", signal.Source)
	add("signal_issuer", signal.Issuer)
	add("signal_type", signal.Type)
	add("signal_message", signal.MessageID)
	add("why", r.Cause)
	return attrs
}
