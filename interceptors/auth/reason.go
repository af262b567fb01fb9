package auth

import "net/http"

// A Reason says why a call was refused. The list is closed, and the same
// refusal has the same Reason on every transport. On the wire it is the reason
// of a google.rpc.ErrorInfo whose domain is [ErrorDomain]. The list is generated from
// the enum ostiary.error.v1.Reason of the schema, in which clients of other languages
// find it.
//
// The zero value is [AuthFailure], so that a forgotten Reason is a refusal of
// our own making and never a pass.
type Reason uint8

// reasonInfo is all that is known of a reason. The message says what a caller
// can do; it never says what the server holds.
type reasonInfo struct {
	name    string
	code    Code
	message string
}

// Reasons returns every Reason, in a stable order.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// ParseReason returns the reason with the given name on the wire, such as
// TOKEN_EXPIRED. It reports false for any other text, as a newer server may send
// one.
func ParseReason(name string) (Reason, bool) {
	for i := range reasons {
		if reasons[i].name == name {
			return Reason(i), true
		}
	}
	return AuthFailure, false
}

func (r Reason) info() *reasonInfo {
	if r >= reasonCount {
		return &reasons[AuthFailure]
	}
	return &reasons[r]
}

// String returns the name on the wire, such as TOKEN_EXPIRED.
func (r Reason) String() string { return r.info().name }

// Message returns a sentence that says what the caller can do.
func (r Reason) Message() string { return r.info().message }

// Code returns the status code that Connect and gRPC share.
func (r Reason) Code() Code { return r.info().code }

// HTTPStatus returns the status for plain HTTP: 401, 403, 429, 503 or 500.
func (r Reason) HTTPStatus() int { return r.Code().HTTPStatus() }

// A Code is a status code with the number that Connect and gRPC share. Only
// the codes of a refusal are named here.
type Code uint32

// The codes of a refusal.
const (
	CodeCanceled          Code = 1
	CodeDeadlineExceeded  Code = 4
	CodePermissionDenied  Code = 7
	CodeResourceExhausted Code = 8
	CodeInternal          Code = 13
	CodeUnavailable       Code = 14
	CodeUnauthenticated   Code = 16
)

// String returns the name that Connect uses on the wire, such as
// unauthenticated.
func (c Code) String() string {
	switch c {
	case CodeCanceled:
		return "canceled"
	case CodeDeadlineExceeded:
		return "deadline_exceeded"
	case CodeUnauthenticated:
		return "unauthenticated"
	case CodePermissionDenied:
		return "permission_denied"
	case CodeResourceExhausted:
		return "resource_exhausted"
	case CodeUnavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// HTTPStatus returns the HTTP status that the Connect protocol gives the code.
func (c Code) HTTPStatus() int {
	switch c {
	case CodeCanceled:
		return 499 // of nginx; its reader is gone
	case CodeDeadlineExceeded:
		return http.StatusGatewayTimeout
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodePermissionDenied:
		return http.StatusForbidden
	case CodeResourceExhausted:
		return http.StatusTooManyRequests
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
