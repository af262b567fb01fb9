package ledger

import (
	"context"
	"fmt"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// readRevocations reads what was revoked since it last read: everything at the
// start; later what this process has revoked, which it has in memory already, and
// what others on the same database have. The watchers hear of both.
func (l *Ledger) readRevocations(ctx context.Context) error {
	for {
		page, err := l.store.Revocations(ctx, l.lastRead, BatchSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		revocations := make([]revocation.Revocation, 0, len(page))
		for _, row := range page {
			r, err := l.readRevocation(row)
			if err != nil {
				// One row that nobody can act on must not hide those behind it,
				// nor keep the server from starting.
				l.config.Log.ErrorContext(ctx, "a revocation in the store means nothing and is skipped", "sequence", row.Sequence, "error", err)
				continue
			}
			revocations = append(revocations, r)
		}
		if err := l.revoked.Add(revocations...); err != nil {
			return fmt.Errorf("revocations from %d on: %w", page[0].Sequence, err)
		}
		l.lastRead = page[len(page)-1].Sequence
		l.sendRevoked(ctx, revocations)
	}
}

func (l *Ledger) readRevocation(row store.Revocation) (revocation.Revocation, error) {
	kind, err := revocation.ParseTargetKind(row.Kind)
	if err != nil {
		return revocation.Revocation{}, err
	}
	return l.revoked.Prepare(revocation.Revocation{
		Kind: kind, Issuer: row.Issuer, ID: row.Value, Subject: row.Subject, Before: row.IssuedBefore, Expires: row.ExpiresAt,
	})
}

// sendRevoked sends an event for each session that revocations end.
func (l *Ledger) sendRevoked(ctx context.Context, revocations []revocation.Revocation) {
	if l.watchers.none() {
		return
	}
	sent := make(map[sessionKey]bool)
	send := func(s store.Session) {
		if key := keyOf(s); !sent[key] && l.Revoked(s) {
			sent[key] = true
			l.watchers.send(Event{sessionv1.Event_EVENT_REVOKED, s})
		}
	}
	for _, r := range revocations {
		if err := l.eachRevoked(ctx, r, send); err != nil {
			l.config.Log.ErrorContext(ctx, "cannot send revocations to the watchers", "error", err)
			return
		}
	}
}

// eachRevoked calls do with every session that a revocation can concern. Tokens
// and clients have none.
func (l *Ledger) eachRevoked(ctx context.Context, r revocation.Revocation, do func(store.Session)) error {
	switch r.Kind {
	case revocation.TargetSession:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, ID: r.ID, Subject: r.Subject}}, do)
	case revocation.TargetSubject:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, Subject: r.ID}}, do)
	case revocation.TargetIssuer:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer}}, do)
	default:
		return nil
	}
}
