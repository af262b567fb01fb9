package auth

// An Outlook is what the error of a call says about trying again.
type Outlook uint8

// The outlooks.
const (
	// Final: trying again changes nothing. The caller was denied or revoked, or
	// the call itself is wrong.
	Final Outlook = iota
	// Refresh: a fresh token helps.
	Refresh
	// Later: it may help to wait. The network or the server is at fault.
	Later
)

// Outlook says what the refusal means for the next try.
func (r Reason) Outlook() Outlook {
	switch r {
	case TokenExpired, KeyUnknown:
		return Refresh
	case KeysUnavailable, RevocationsStale, TokenNotYetValid, AuthFailure:
		return Later
	default:
		return Final
	}
}

// Outlook says what an error without a Reason means for the next try. It knows
// all codes of Connect and gRPC. Unauthenticated is Later then: it comes from a
// TokenSource that could not be asked.
func (c Code) Outlook() Outlook {
	const (
		invalidArgument    Code = 3
		notFound           Code = 5
		alreadyExists      Code = 6
		failedPrecondition Code = 9
		outOfRange         Code = 11
		unimplemented      Code = 12
	)
	switch c {
	case invalidArgument, notFound, alreadyExists, CodePermissionDenied, failedPrecondition, outOfRange, unimplemented:
		return Final
	default:
		return Later
	}
}
