package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A Request asks for a revocation, and says why.
type Request struct {
	revocation.Revocation

	Cause string
}

// Prepare checks and completes a request, without revoking anything. Its error is
// the caller's to mend.
func (l *Ledger) Prepare(r Request) (Request, error) {
	if err := l.check(r); err != nil {
		return Request{}, err
	}
	if r.Before.IsZero() && (r.Kind == revocation.TargetSubject || r.Kind == revocation.TargetIssuer) {
		r.Before = l.IssuedByNow(r.Issuer)
	}
	// The store keeps microseconds: what it left out, a restart would accept.
	r.Before = r.Before.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
	prepared, err := l.revoked.Prepare(r.Revocation)
	if err != nil {
		return Request{}, err
	}
	// A session or a client goes on with new tokens as long as its issuer does
	// not know of the revocation, so that is kept for longer than one token can
	// live.
	forGood := prepared.Before.IsZero() && (prepared.Kind == revocation.TargetSession || prepared.Kind == revocation.TargetClient)
	if late := l.config.Now().Add(l.config.Retention); r.Expires.IsZero() && forGood && late.After(prepared.Expires) {
		prepared.Expires = late
	}
	r.Revocation = prepared
	return r, nil
}

// The longest texts of a revocation that are kept, in bytes.
const (
	maxCause = 500
	maxID    = token.DefaultMaxTokenBytes // no token holds a longer one
)

// check finds what the list of revocations does not look for.
func (l *Ledger) check(r Request) error {
	_, trusted := l.config.Skews[r.Issuer]
	switch {
	case !trusted:
		return errors.New("issuer: not one whose tokens are accepted here, so there is nothing to revoke; write the exact iss claim")
	case len(r.ID) > maxID || strings.ContainsFunc(r.ID, unicode.IsControl):
		return errors.New("id: too long, or with control characters in it, so no token can have it")
	case len(r.Subject) > maxID || strings.ContainsFunc(r.Subject, unicode.IsControl):
		return errors.New("subject: too long, or with control characters in it, so no token can have it")
	case len(r.Cause) > maxCause:
		return errors.New("cause: over 500 bytes; put it shorter")
	case strings.ContainsFunc(r.Cause, unicode.IsControl):
		return errors.New("cause: with control characters in it; write one line of plain text")
	default:
		return nil
	}
}

// IssuedByNow returns the first instant that is later than the iat of any token
// which the issuer has issued by now: its clock may be ahead of ours by as much
// as its skew, and its tokens are accepted then.
func (l *Ledger) IssuedByNow(issuer string) time.Time {
	return l.config.Now().Add(l.config.Skews[issuer] + time.Microsecond)
}

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
	case l.wake <- struct{}{}: // so that the watchers get the events
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

// readRevocations reads what was revoked since it last read: everything at the
// start; later what this process has revoked, which it has in memory already, and
// what others on the same database have. The watchers get the events of both.
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
