package authclient

import "github.com/ostiary/ostiary/interceptors/auth"

// Advice is what a client should do about the error of a call. The zero value
// is GiveUp.
type Advice uint8

// The advice.
const (
	// GiveUp: trying again changes nothing. The caller was denied or revoked, or
	// the call itself is wrong.
	GiveUp Advice = iota
	// RetryWithFreshToken: the token was refused, and a fresh one helps.
	RetryWithFreshToken
	// RetryLater: the network or the server is at fault, and waiting may help.
	RetryLater
)

var adviceNames = [...]string{"give up", "retry with a fresh token", "retry later"}

// String returns the advice in words, for logs and tests.
func (a Advice) String() string {
	if int(a) >= len(adviceNames) {
		a = GiveUp
	}
	return adviceNames[a]
}

// AdviceForReason returns what to do about a refusal.
func AdviceForReason(reason auth.Reason) Advice {
	switch reason {
	case auth.TokenExpired, auth.KeyUnknown:
		return RetryWithFreshToken
	case auth.KeysUnavailable, auth.RevocationsStale, auth.UserUnavailable, auth.TokenNotYetValid, auth.AuthFailure:
		return RetryLater
	default:
		return GiveUp
	}
}

// AdviceForCode returns what to do about an error that carries no Reason. It
// takes all codes of Connect and gRPC. Unauthenticated gives RetryLater, since
// without a Reason it comes from a TokenSource that failed.
func AdviceForCode(code auth.Code) Advice {
	const (
		invalidArgument    auth.Code = 3
		notFound           auth.Code = 5
		alreadyExists      auth.Code = 6
		failedPrecondition auth.Code = 9
		outOfRange         auth.Code = 11
		unimplemented      auth.Code = 12
	)
	switch code {
	case invalidArgument, notFound, alreadyExists, auth.CodePermissionDenied, failedPrecondition, outOfRange, unimplemented:
		return GiveUp
	default:
		return RetryLater
	}
}
