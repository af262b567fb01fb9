package revocation

import (
	"errors"
	"fmt"
	"time"
)

// ErrInvalid is what a revocation is refused with that names nothing, or that
// lacks what its kind needs. The error that wraps it says which.
var ErrInvalid = errors.New("invalid revocation")

// A Revocation says which tokens are no longer accepted.
type Revocation struct {
	// Kind is what ID names. Required.
	Kind Kind
	// Issuer is the iss claim of the tokens, compared exactly. Required.
	Issuer string
	// ID names the session, subject, token or client. Required, but for Issuer,
	// which has none.
	ID string
	// Subject limits a revocation of a Session to the tokens of this subject. A
	// session belongs to its subject, but an issuer may let somebody choose the
	// claim that names it. So where callers end the session that their own token
	// names, give the subject of that token: they then end nobody else's. The zero
	// value revokes every token that names the session. Refused for other kinds.
	Subject string
	// Before limits it to tokens that were issued before this instant. A token
	// that does not say when it was issued is revoked too. The zero value revokes
	// every token, those to come as well: right for a session, a token or a
	// client that is gone, and refused for Subject and Issuer, who are meant to
	// go on with new tokens.
	Before time.Time
	// Expires is when it may be forgotten. The zero value is as late as any
	// token that it concerns can live; give it to add what was kept elsewhere.
	Expires time.Time
}

func (r Revocation) validate() error {
	switch {
	case r.Kind < Session || r.Kind > Issuer:
		return fmt.Errorf("%w: it has no kind; use session, subject, token, client or issuer", ErrInvalid)
	case r.Issuer == "":
		return fmt.Errorf("%w: a %v is named by an issuer as well; give the iss claim of its tokens", ErrInvalid, r.Kind)
	case r.Kind == Issuer && r.ID != "":
		return fmt.Errorf("%w: an issuer has no id besides; leave it empty", ErrInvalid)
	case r.Kind != Issuer && r.ID == "":
		return fmt.Errorf("%w: it names no %v; give its id", ErrInvalid, r.Kind)
	case r.Kind != Session && r.Subject != "":
		return fmt.Errorf("%w: only a session belongs to a subject; leave it empty", ErrInvalid)
	case r.Before.IsZero() && (r.Kind == Subject || r.Kind == Issuer):
		return fmt.Errorf("%w: say before which instant the tokens of the %v were issued", ErrInvalid, r.Kind)
	default:
		return nil
	}
}
