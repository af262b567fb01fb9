package ledger

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
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
