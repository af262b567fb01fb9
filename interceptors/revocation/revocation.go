package revocation

import (
	"errors"
	"fmt"
	"time"
)

// ErrInvalid means that a revocation names nothing, or lacks a field that its kind
// needs. The error that wraps it says which.
var ErrInvalid = errors.New("invalid revocation")

// A Revocation says which tokens are no longer accepted.
type Revocation struct {
	// Kind is what ID names. Required.
	Kind TargetKind
	// Issuer is the iss claim of the tokens, compared exactly. Required.
	Issuer string
	// ID names the session, subject, token, client, machine or organization; for
	// TargetMember the organization. Required, and empty only for TargetIssuer.
	ID string
	// Subject is the member of the organization for TargetMember, which requires it.
	//
	// It also limits a revocation of a session to the tokens of this subject. A
	// session belongs to its subject, but some issuers let users choose the claim
	// that names it. So when a caller ends the session of its own token, set the
	// subject of that token, and the caller cannot end anybody else's session. Empty
	// revokes every token that names the session. Invalid for other kinds.
	Subject string
	// Before limits the revocation to tokens that were issued before this instant. A
	// token that does not say when it was issued is revoked too. The zero value
	// revokes every token, future ones too. That is right for a session, a token, a
	// client or a machine that has ended. For the other kinds, which mostly continue
	// with new tokens, it is invalid without AllTokens.
	Before time.Time
	// AllTokens says that every token of a subject, an organization, a member or an
	// issuer is meant, future ones too, as where a user was deleted. Before must be zero
	// then. Of other kinds that is what a zero Before means anyway.
	AllTokens bool
	// Expires is when the list may drop the revocation. The zero value is the latest
	// expiry of any token that it covers. Set it to add a revocation that was stored.
	Expires time.Time
}

func (r Revocation) validate() error {
	switch {
	case r.Kind < TargetSession || r.Kind > TargetIssuer:
		return fmt.Errorf("%w: it has no kind; use %s", ErrInvalid, knownKinds)
	case r.Issuer == "":
		return fmt.Errorf("%w: a %v is named by an issuer as well; give the iss claim of its tokens", ErrInvalid, r.Kind)
	case r.Kind == TargetIssuer && r.ID != "":
		return fmt.Errorf("%w: an issuer has no id besides; leave it empty", ErrInvalid)
	case r.Kind != TargetIssuer && r.ID == "":
		return fmt.Errorf("%w: it names no %v; give its id", ErrInvalid, r.Kind)
	case r.Kind == TargetMember && r.Subject == "":
		return fmt.Errorf("%w: it names no member; give the subject, beside the id of the organization", ErrInvalid)
	case r.Kind != TargetSession && r.Kind != TargetMember && r.Subject != "":
		return fmt.Errorf("%w: only a session and a member are of a subject; leave it empty", ErrInvalid)
	case r.AllTokens && !r.Before.IsZero():
		return fmt.Errorf("%w: all tokens are not only those before an instant; give either", ErrInvalid)
	case r.Before.IsZero() && !r.AllTokens && r.Kind.goesOn():
		return fmt.Errorf("%w: say before which instant the tokens of the %v were issued, or that all are meant", ErrInvalid, r.Kind)
	default:
		return nil
	}
}
