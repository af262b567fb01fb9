package auth

import (
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// An Error is a refusal: a Reason that programs read, a sentence that people
// read, and a cause that stays on the server.
//
// An adapter sends the Reason and the message to the caller. It never sends the
// cause, which is also left out of Error() so that no careless wrapping can.
type Error struct {
	// Reason says why. The zero value is AuthFailure.
	Reason Reason
	// Message tells the caller what to do. It must not name configured values,
	// keys or any part of the token. Empty means Reason.Message().
	Message string
	// Cause is for logs. It may be nil, and must not hold a token either.
	Cause error
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

// AsError finds the refusal in err. An error that holds none becomes an
// AuthFailure with err as its cause; nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var refusal *Error
	if errors.As(err, &refusal) && refusal != nil {
		return refusal
	}
	return NewError(AuthFailure, err)
}

// ReasonOf returns the reason of the refusal in err, and whether err holds one.
func ReasonOf(err error) (Reason, bool) {
	var refusal *Error
	if errors.As(err, &refusal) && refusal != nil {
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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is a refusal for the same reason, so that
// errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) asks for a reason.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Reason == e.Reason
}

// LogValue gives logs the reason and the cause.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("reason", e.Reason.String())}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Info returns the error detail that carries the reason on the wire.
func (e *Error) Info() *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: e.Reason.String(), Domain: Domain}
}

// Challenge returns the value of the WWW-Authenticate header for this refusal
// (RFC 6750, section 3), or "" where there is none: a challenge belongs to 401,
// and to 403 where another token would help.
//
// A call without a token is told the scheme and, as section 3.1 asks, nothing
// else. Every other challenge carries the Reason as error_description.
func (e *Error) Challenge() string {
	var code string
	switch {
	case e.Reason == TokenMissing:
		return "Bearer"
	case e.Reason == ScopeRequired:
		code = "insufficient_scope"
	case e.Reason == ReverificationRequired:
		code = "insufficient_user_authentication" // RFC 9470, section 3
	case e.Reason.Code() == CodeUnauthenticated:
		code = "invalid_token"
	default:
		return ""
	}
	return `Bearer error="` + code + `", error_description="` + e.Reason.String() + `"`
}
