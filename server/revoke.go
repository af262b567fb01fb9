package server

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// revoke revokes what was prepared: first on disk, then in memory, so that
// nothing is acknowledged which a crash could undo. The caller of the call
// cannot cut that short in the middle.
func (l *ledger) revoke(ctx context.Context, by *auth.Identity, orders ...order) ([]store.Revocation, error) {
	rows := make([]store.Revocation, len(orders))
	revocations := make([]revocation.Revocation, len(orders))
	for i, o := range orders {
		revocations[i] = o.Revocation
		rows[i] = store.Revocation{
			Kind: o.Kind.String(), Issuer: o.Issuer, Value: o.ID, IssuedBefore: o.Before, ExpiresAt: o.Expires,
			CreatedAt: l.now(), By: partyOf(by), Cause: o.cause,
		}
	}
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	saved, err := l.store.SaveRevocations(uncut, rows)
	if err != nil {
		return nil, l.unavailable(ctx, err)
	}
	if err := l.list.Add(revocations...); err != nil {
		return nil, fmt.Errorf("revoke what was saved: %w", err)
	}
	l.log.InfoContext(ctx, "revoked", "first_sequence", saved[0].Sequence, "count", len(saved), "kind", saved[0].Kind,
		"by_issuer", by.Issuer, "by_subject", by.Subject, "by_actor", saved[0].By.Actor)
	select {
	case l.wake <- struct{}{}: // to tell those who watch
	default:
	}
	return saved, nil
}

func partyOf(id *auth.Identity) store.Party {
	party := store.Party{Issuer: id.Issuer, Subject: id.Subject}
	if id.Actor != nil {
		party.Actor = id.Actor.Subject
	}
	return party
}

// readRevocations takes over what was revoked since it last read: all of it at
// the start, and later by this process, which has it already, or by others on
// the same database. Those who watch hear of both.
func (l *ledger) readRevocations(ctx context.Context) error {
	for {
		page, err := l.store.Revocations(ctx, l.read, batchSize)
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
				l.log.ErrorContext(ctx, "a revocation in the store means nothing and is passed over", "sequence", row.Sequence, "error", err)
				continue
			}
			revocations = append(revocations, r)
		}
		if err := l.list.Add(revocations...); err != nil {
			return fmt.Errorf("revocations from %d on: %w", page[0].Sequence, err)
		}
		l.read = page[len(page)-1].Sequence
		l.tellRevoked(ctx, revocations)
	}
}

func (l *ledger) readRevocation(row store.Revocation) (revocation.Revocation, error) {
	kind, err := revocation.ParseKind(row.Kind)
	if err != nil {
		return revocation.Revocation{}, err
	}
	return l.list.Prepare(revocation.Revocation{
		Kind: kind, Issuer: row.Issuer, ID: row.Value, Before: row.IssuedBefore, Expires: row.ExpiresAt,
	})
}

// tellRevoked tells those who watch of the sessions that revocations end, once
// of each.
func (l *ledger) tellRevoked(ctx context.Context, revocations []revocation.Revocation) {
	if l.watchers.none() {
		return
	}
	told := make(map[sessionKey]bool)
	tell := func(s store.Session) {
		if key := (sessionKey{s.Issuer, s.ID}); !told[key] && l.revoked(s) {
			told[key] = true
			l.watchers.tell(event{sessionv1.Event_EVENT_REVOKED, s})
		}
	}
	for _, r := range revocations {
		if err := l.eachRevoked(ctx, r, tell); err != nil {
			l.log.ErrorContext(ctx, "cannot tell those who watch what was revoked", "error", err)
			return
		}
	}
}

// eachRevoked calls do with every session that a revocation can concern. Tokens
// and clients have none.
func (l *ledger) eachRevoked(ctx context.Context, r revocation.Revocation, do func(store.Session)) error {
	switch r.Kind {
	case revocation.Session:
		s, err := l.store.Session(ctx, r.Issuer, r.ID)
		if err == nil {
			do(s)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	case revocation.Subject:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, Subject: r.ID}}, do)
	case revocation.Issuer:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer}}, do)
	default:
		return nil
	}
}

// revoked reports whether the newest token of a session is revoked.
func (l *ledger) revoked(s store.Session) bool {
	return l.list.Revoked(&auth.Identity{Issuer: s.Issuer, Subject: s.Subject, SessionID: s.ID, IssuedAt: s.IssuedAt}) != nil
}

// unavailable hides why the store fails from the caller, and not from the log.
func (l *ledger) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.log.ErrorContext(ctx, "the store fails", "error", err)
	return callErrorf(connect.CodeUnavailable, "the server cannot use its store at the moment; try again shortly")
}
