package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/internal/logtext"
)

// An Error is a refusal: a Reason that programs read, a sentence that people
// read, and a cause that stays on the server.
//
// An adapter sends the Reason and the message to the caller. It never sends the
// cause, which is also left out of Error() so that no careless wrapping can.
type Error struct {
	// Reason says why. The zero value is AuthFailure.
	Reason Reason
	// Message says what the caller can do. It must not name configured values,
	// keys or any part of the token. Empty means Reason.Message().
	Message string
	// Demand says what a new token would need; nil where nothing is to be said. It is
	// sent in the challenge and in the error details.
	Demand *Demand
	// RetryAfter says how long the caller should wait before the same call, or one with a
	// fresh token, can succeed. Where it is not positive, the reason decides: 5 seconds
	// for those with CodeUnavailable, and nothing is said for any other.
	RetryAfter time.Duration
	// Cause is for logs. It may be nil, and must not hold a token either.
	Cause error
	// Requirement is the part of the rule that the caller does not meet, in words. It is for
	// operators alone, like the Cause. Empty where no rule has refused.
	Requirement string
	// Verified is whose token was refused, where its signature holds, so that the caller is no
	// stranger: logs leave out refusals of strangers where there are too many. It is for
	// operators alone, like the Cause. nil where there is no such token, and where the
	// Decision has an Identity.
	Verified *VerifiedToken

	ended Code // of a call that had ended before; 0 of any other
}

// NewError returns a refusal with the reason's own message. The cause may be nil.
func NewError(reason Reason, cause error) *Error {
	return &Error{Reason: reason, Cause: cause}
}

// Errorf returns a refusal with the reason's own message and a cause made as by
// fmt.Errorf. Only logs see the cause.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Cause: fmt.Errorf(format, args...)}
}

// AsError returns the refusal in err. If err holds none, it returns an AuthFailure
// with err as its cause. It never returns nil, so that its result can be returned as
// an error: call it only with an error.
func AsError(err error) *Error {
	switch refusal, found := errors.AsType[*Error](err); {
	case !found:
		return NewError(AuthFailure, err)
	case refusal == nil: // not kept as a cause: calling its methods would panic
		return Errorf(AuthFailure, "a nil *auth.Error was returned as an error")
	default:
		return refusal
	}
}

// A VerifiedToken is what logs say of a token whose signature holds, to find who called. The
// texts are the issuer's, but nobody has checked them otherwise: one may have any length, and
// any character. Each is empty where the token does not say.
type VerifiedToken struct {
	Issuer    string // the iss claim
	Subject   string // the sub claim
	SessionID string
	KeyID     string // the kid of the key that has verified the token
	TokenID   string // the jti claim
	TokenHash string // as in an Identity
}

// LogValue gives logs what is known: issuer, subject, session, kid and token_id. Each is
// escaped and cut at 200 bytes.
func (t VerifiedToken) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 5)
	for _, one := range [...]struct{ key, value string }{
		{"issuer", t.Issuer}, {"subject", t.Subject}, {"session", t.SessionID}, {"kid", t.KeyID}, {"token_id", t.TokenID},
	} {
		if one.value != "" {
			attrs = append(attrs, slog.String(one.key, logtext.Bounded(one.value)))
		}
	}
	return slog.GroupValue(attrs...)
}

// AsVerified is AsError for the refusal of a token whose signature holds. It returns a copy
// whose Verified is the token.
func AsVerified(err error, token VerifiedToken) *Error {
	refusal := *AsError(err)
	refusal.Verified = &token
	return &refusal
}

// ReasonOf returns the reason of the refusal in err, and whether err holds one.
func ReasonOf(err error) (Reason, bool) {
	if refusal, found := errors.AsType[*Error](err); found && refusal != nil {
		return refusal.Reason, true
	}
	return AuthFailure, false
}

// Error returns the reason and the message, without the cause.
func (e *Error) Error() string { return e.Reason.String() + ": " + e.Sentence() }

// Sentence returns Message, or the reason's own where Message is empty.
func (e *Error) Sentence() string {
	if e.Message != "" {
		return e.Message
	}
	return e.Reason.Message()
}

// Unwrap returns the cause; of a nil Error nil.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Cause
}

// Is reports whether target is a refusal for the same reason, so that
// errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) asks for a reason. A nil Error is
// only itself.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	if !ok || e == nil || other == nil {
		return ok && e == other
	}
	return e.Reason == other.Reason
}

// LogValue gives logs the reason and the cause; of a nil Error nothing.
func (e *Error) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	attrs := []slog.Attr{slog.String("reason", e.Reason.String())}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Code returns the status code that Connect and gRPC share: the reason's own,
// except that a caller who is asked to step up (RFC 9470) is UNAUTHENTICATED, and a call
// that ended while its user was looked up is CANCELED or DEADLINE_EXCEEDED.
func (e *Error) Code() Code {
	switch {
	case e.ended != 0:
		return e.ended
	case e.Reason == ReverificationRequired && e.Demand != nil && e.Demand.StepUp:
		return CodeUnauthenticated
	default:
		return e.Reason.Code()
	}
}
