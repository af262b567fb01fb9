package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A Request asks for a revocation, and says why. Its issuer must be trusted.
type Request struct {
	revocation.Revocation

	Cause string
}

// Prepare checks and completes a request, without revoking anything. Errors:
// revocation.ErrInvalid.
func (l *Ledger) Prepare(r Request) (Request, error) {
	if r.Before.IsZero() && !r.AllTokens {
		switch r.Kind {
		case revocation.TargetSubject, revocation.TargetOrganization, revocation.TargetMember, revocation.TargetIssuer:
			r.Before = l.IssuedByNow(r.Issuer)
		default: // all tokens
		}
	}
	// The store keeps microseconds: what it left out, a restart would accept.
	r.Before = ceilMicro(r.Before)
	prepared, err := l.revoked.Prepare(r.Revocation)
	if err != nil {
		return Request{}, err
	}
	// A session, a client or a machine goes on with new tokens as long as its issuer
	// does not know of the revocation, so that is kept for longer than one token can
	// live.
	forGood := prepared.Before.IsZero() && prepared.Kind != revocation.TargetToken
	if late := l.config.Now().Add(l.config.Retention); r.Expires.IsZero() && forGood && late.After(prepared.Expires) {
		prepared.Expires = late
	}
	prepared.Expires = ceilMicro(prepared.Expires)
	r.Revocation = prepared
	return r, nil
}

// ceilMicro rounds up to a microsecond. The zero time stays as it is.
func ceilMicro(t time.Time) time.Time {
	return t.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
}

// Trusts reports whether tokens of the issuer are accepted.
func (l *Ledger) Trusts(issuer string) bool {
	_, trusted := l.config.Skews[issuer]
	return trusted
}

// MaxIDBytes is how long an id in a token can be.
func (l *Ledger) MaxIDBytes() int { return l.config.MaxIDBytes }

// IssuedByNow returns the first instant that is later than the iat of any token
// which the issuer has issued by now: its clock may be ahead of ours by as much
// as its skew, and its tokens are accepted then.
func (l *Ledger) IssuedByNow(issuer string) time.Time {
	return l.config.Now().Add(l.config.Skews[issuer] + time.Microsecond)
}

// RevokedList is what a guard asks about each call.
func (l *Ledger) RevokedList() *revocation.List { return l.revoked }

// Revoke revokes what was prepared: first on disk, then in memory, so that
// nothing is acknowledged which a crash could undo. A caller who goes away does
// not cut that short. It keeps the answer with the revocations, if there is one; without
// requests it keeps nothing. Issuers that have an Ender are asked to end the sessions. An error is the answer to the caller, or store.ErrAnswered;
// then nothing was revoked.
func (l *Ledger) Revoke(ctx context.Context, origin store.Origin, answer *store.Answer, requests ...Request) ([]store.Revocation, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	now := l.now()
	rows := make([]store.Revocation, len(requests))
	revocations := make([]revocation.Revocation, len(requests))
	for i, r := range requests {
		revocations[i] = r.Revocation
		rows[i] = store.Revocation{
			Target:       targetOf(r),
			IssuedBefore: r.Before, ExpiresAt: r.Expires, CreatedAt: now, Origin: origin, Cause: r.Cause,
		}
	}
	saved, err := l.save(ctx, rows, answer, l.signOuts(origin.Kind, rows)...)
	if err != nil {
		return nil, err
	}
	if err := l.revoked.Add(revocations...); err != nil {
		return nil, fmt.Errorf("revoke what was saved: %w", err)
	}
	by, subject := origin.Caller, "by_subject"
	if origin.Kind == store.OriginBreakGlass {
		subject = "by_user"
	}
	l.config.Log.InfoContext(ctx, "revoked", "first_sequence", saved[0].Sequence, "count", len(saved), "target", saved[0].Target.Kind, "origin", origin.Kind,
		"by_issuer", by.Issuer, subject, by.Subject, "by_client", by.ClientID, "by_session", by.SessionID,
		"actor_issuer", by.Actor.Issuer, "actor_subject", by.Actor.Subject, "source", origin.Signal.Source, "message_id", origin.Signal.MessageID)
	select {
	case l.wakeReading <- struct{}{}: // so that followers get it
	default:
	}
	l.outbox.Wake()
	return saved, nil
}

// save saves revocations, an answer and sign-outs, also for a caller who goes away. An error is the
// answer to the caller, or store.ErrAnswered.
func (l *Ledger) save(ctx context.Context, rows []store.Revocation, answer *store.Answer, signOuts ...store.SignOut) ([]store.Revocation, error) {
	if answer != nil {
		answer.At = l.now()
	}
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	saved, err := l.store.SaveRevocations(uncut, rows, answer, signOuts...)
	switch {
	case errors.Is(err, store.ErrAnswered):
		return nil, store.ErrAnswered
	case err != nil:
		l.condition.fails(writing, err, l.config.Now())
		return nil, l.Unavailable(ctx, err)
	default:
		l.works(ctx, writing)
		if n := len(saved); n > 0 {
			l.readers.revoked(saved[n-1].Sequence)
		}
		return saved, nil
	}
}

func targetOf(r Request) store.Target {
	return store.Target{Kind: r.Kind.String(), Issuer: r.Issuer, Value: r.ID, Subject: r.Subject}
}

// CallerOf returns what is kept of who revokes.
func CallerOf(id *auth.Identity) store.Caller {
	return store.Caller{Issuer: id.Issuer, Subject: id.Subject, ClientID: id.ClientID, SessionID: SessionOf(id), Actor: actorOf(id)}
}

// Answer returns the answer that was kept for a call, and the hash of its request.
// Both are nil if there is none. What the call has revoked is in force when it
// returns, whichever process has answered it. An error is the answer to the caller.
func (l *Ledger) Answer(ctx context.Context, call store.Call) (hash, answer []byte, err error) {
	hash, answer, err = l.store.Answer(ctx, call)
	if err == nil && answer != nil {
		err = l.ReadRevocations(ctx)
	}
	if err != nil {
		return nil, nil, l.Unavailable(ctx, err)
	}
	return hash, answer, nil
}

// ReadRevocations reads what was revoked since it last read: everything at the
// start; later what this process has revoked, which it has in memory already, and
// what others on the same database have. Followers get both; addEnded adds the events.
func (l *Ledger) ReadRevocations(ctx context.Context) error {
	l.reading.Lock()
	defer l.reading.Unlock()
	if err := l.readRevocations(ctx); err != nil {
		l.changes.fail(err)
		l.fails(ctx, reading, "cannot read what other processes have revoked", err)
		return err
	}
	l.works(ctx, reading)
	return nil
}

func (l *Ledger) readRevocations(ctx context.Context) error {
	for {
		began := l.changes.now()
		page, err := l.store.Changes(ctx, l.lastRead, BatchSize)
		if errors.Is(err, store.ErrNotGiven) || err == nil && l.store.Epoch() != l.epoch {
			if !l.readAt.IsZero() && began.Sub(l.readAt) < readAgainInterval {
				return errRestless
			}
			l.readAt = began
			l.readAgain(ctx)
			continue
		}
		if errors.Is(err, store.ErrStandby) { // so nothing is known to be complete
			l.changes.fail(err)
			l.fails(ctx, writing, "followers count their copies as old", err)
			return nil
		}
		if err != nil {
			return err
		}
		if len(page) == 0 {
			if l.givesBack() {
				l.changes.fail(errGivingBack)
			} else {
				l.changes.complete(began)
			}
			if l.lost {
				l.lost = false
				select {
				case l.lacking <- struct{}{}:
				default:
				}
			}
			return nil
		}
		revocations, err := l.add(ctx, page)
		if err != nil {
			return err
		}
		l.lastRead = page[len(page)-1]
		l.readers.progress(l.lastRead.Sequence)
		l.changes.add(page)
		if l.events.wanted.Load() {
			l.ended = append(l.ended, revocations...)
		}
	}
}

// add adds what was read from the store to what is revoked, and returns it.
func (l *Ledger) add(ctx context.Context, page []store.Revocation) ([]revocation.Revocation, error) {
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
		return nil, fmt.Errorf("revocations from %d on: %w", page[0].Sequence, err)
	}
	return revocations, nil
}

// errRestless means that connections lead to different databases.
var errRestless = errors.New("the database has lacked what was read from it twice within seconds: see that database_url, and a pooler or load balancer behind it, lead to one database alone")

// readAgain has everything read again, from a database that lacks what was read before,
// and what it lacks given back to it. It only adds to what is revoked. Positions in the
// database before do not hold any more.
func (l *Ledger) readAgain(ctx context.Context) {
	cause := "it was restored from a backup, or a standby has taken over that was behind"
	if l.store.Epoch() != l.epoch {
		cause = "it is another database"
	}
	l.config.Log.WarnContext(ctx, "the database lacks what was read from it; that stays revoked, and is given back to it", "cause", cause, "last_sequence", l.lastRead.Sequence)
	l.lastRead, l.epoch, l.lost = store.Revocation{}, l.store.Epoch(), true
	l.losses.Add(1)
	l.changes.restart()
	l.readers.restart()
	l.events.restart()
}

func (l *Ledger) readRevocation(row store.Revocation) (revocation.Revocation, error) {
	kind, err := revocation.ParseTargetKind(row.Target.Kind)
	if err != nil {
		return revocation.Revocation{}, err
	}
	return l.revoked.Prepare(revocation.Revocation{
		Kind: kind, Issuer: row.Target.Issuer, ID: row.Target.Value, Subject: row.Target.Subject, Before: row.IssuedBefore, AllTokens: row.IssuedBefore.IsZero(), Expires: row.ExpiresAt,
	})
}
