package server

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// An order is a revocation that was asked for, and why.
type order struct {
	revocation.Revocation

	cause string
}

// prepare checks and completes what is to be revoked, without revoking it. What
// it finds wrong is the caller's to mend.
func (l *ledger) prepare(o order) (order, error) {
	if err := l.check(o); err != nil {
		return order{}, err
	}
	if o.Before.IsZero() && (o.Kind == revocation.Subject || o.Kind == revocation.Issuer) {
		o.Before = l.issuedByNow(o.Issuer)
	}
	// The store keeps microseconds: what it left out, a restart would accept.
	o.Before = o.Before.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
	prepared, err := l.list.Prepare(o.Revocation)
	if err != nil {
		return order{}, err
	}
	// A session or a client goes on with new tokens as long as its issuer does
	// not know of the revocation, so that is remembered for longer than one token
	// can live.
	forGood := prepared.Before.IsZero() && (prepared.Kind == revocation.Session || prepared.Kind == revocation.Client)
	if late := l.now().Add(l.retention); o.Expires.IsZero() && forGood && late.After(prepared.Expires) {
		prepared.Expires = late
	}
	o.Revocation = prepared
	return o, nil
}

// The longest texts of a revocation that are kept, in bytes.
const (
	maxCause = 500
	maxID    = token.DefaultMaxTokenBytes // no token holds a longer one
)

// check finds what the list of revocations does not look for.
func (l *ledger) check(o order) error {
	_, trusted := l.skews[o.Issuer]
	switch {
	case !trusted:
		return errors.New("issuer: not one whose tokens are accepted here, so there is nothing to revoke; write the exact iss claim")
	case len(o.ID) > maxID || strings.ContainsFunc(o.ID, unicode.IsControl):
		return errors.New("id: too long, or with control characters in it, so no token can have it")
	case len(o.cause) > maxCause:
		return errors.New("cause: over 500 bytes; put it shorter")
	case strings.ContainsFunc(o.cause, unicode.IsControl):
		return errors.New("cause: with control characters in it; write one line of plain text")
	default:
		return nil
	}
}

// issuedByNow returns the first instant that is later than the iat of any token
// which the issuer has issued by now: its clock may be ahead of ours by as much
// as its skew, and its tokens are accepted then.
func (l *ledger) issuedByNow(issuer string) time.Time {
	return l.now().Add(l.skews[issuer] + time.Microsecond)
}

// lasts reports whether what the order revokes, a session with all its tokens to
// come, is revoked already and stays so for at least half of the time that the
// order would give it. To revoke it again would only fill the store; but where
// less is left, the session could come back alive after whoever ends it was told
// that it is ended.
func (l *ledger) lasts(ctx context.Context, o order) (bool, error) {
	now := l.now()
	toCome := &auth.Identity{Issuer: o.Issuer, SessionID: o.ID, IssuedAt: now.Add(365 * 24 * time.Hour)}
	if l.list.Revoked(toCome) == nil {
		return false, nil
	}
	until, err := l.store.RevokedUntil(ctx, o.Kind.String(), o.Issuer, o.ID)
	if err != nil {
		return false, l.unavailable(ctx, err)
	}
	return until.Sub(now) > o.Expires.Sub(now)/2, nil
}
