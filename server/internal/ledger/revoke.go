package ledger

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// RevokedList is what a guard asks about each call.
func (l *Ledger) RevokedList() *revocation.List { return l.revoked }

// Revoked reports whether the newest token of a session is revoked.
func (l *Ledger) Revoked(s store.Session) bool {
	return l.revoked.Revoked(&auth.Identity{Issuer: s.Issuer, Subject: s.Subject, SessionID: s.ID, IssuedAt: s.IssuedAt}) != nil
}

// Revocations returns a page of the revocations whose sequence is above after, in
// that order, and whether there are more. An error is the answer to the caller.
func (l *Ledger) Revocations(ctx context.Context, after int64, limit int) (page []store.Revocation, more bool, err error) {
	page, err = l.store.Revocations(ctx, after, limit+1)
	if err != nil {
		return nil, false, l.unavailable(ctx, err)
	}
	return page[:min(len(page), limit)], len(page) > limit, nil
}

// Revoke revokes what was prepared: first on disk, then in memory, so that
// nothing is acknowledged which a crash could undo. A caller who goes away does
// not cut that short. An error is the answer to the caller; then nothing was
// revoked.
func (l *Ledger) Revoke(ctx context.Context, by *auth.Identity, requests ...Request) ([]store.Revocation, error) {
	rows := make([]store.Revocation, len(requests))
	revocations := make([]revocation.Revocation, len(requests))
	for i, r := range requests {
		revocations[i] = r.Revocation
		rows[i] = store.Revocation{
			Kind: r.Kind.String(), Issuer: r.Issuer, Value: r.ID, Subject: r.Subject, IssuedBefore: r.Before, ExpiresAt: r.Expires,
			CreatedAt: l.config.Now(), By: partyOf(by), Cause: r.Cause,
		}
	}
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	saved, err := l.store.SaveRevocations(uncut, rows)
	if err != nil {
		return nil, l.unavailable(ctx, err)
	}
	if err := l.revoked.Add(revocations...); err != nil {
		return nil, fmt.Errorf("revoke what was saved: %w", err)
	}
	l.config.Log.InfoContext(ctx, "revoked", "first_sequence", saved[0].Sequence, "count", len(saved), "kind", saved[0].Kind,
		"by_issuer", by.Issuer, "by_subject", by.Subject, "by_actor", saved[0].By.Actor)
	select {
	case l.wake <- struct{}{}: // so that the watchers hear of it
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
