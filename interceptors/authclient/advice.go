package authclient

import (
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

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

// AdviceForReason returns what to do about a refusal. retryAfter is the delay in its
// google.rpc.RetryInfo, 0 where it has none: a refusal that has one passes by itself, and
// TokenRevoked then means that a token is accepted which is issued after the delay.
func AdviceForReason(reason auth.Reason, retryAfter time.Duration) Advice {
	switch reason {
	case auth.TokenExpired, auth.KeyUnknown:
		return RetryWithFreshToken
	case auth.KeysUnavailable, auth.RevocationsStale, auth.UserUnavailable, auth.TokenNotYetValid, auth.AuthFailure:
		return RetryLater
	case auth.TokenRevoked:
		if retryAfter > 0 {
			return RetryWithFreshToken
		}
		return GiveUp
	default:
		if retryAfter > 0 {
			return RetryLater
		}
		return GiveUp
	}
}

// AdviceForCode returns what to do about an error that carries no Reason. It
// takes all codes of Connect and gRPC. Unauthenticated gives RetryLater, since
// without a Reason it comes from a TokenSource that failed. retryAfter is as for
// AdviceForReason.
func AdviceForCode(code auth.Code, retryAfter time.Duration) Advice {
	const (
		invalidArgument    auth.Code = 3
		notFound           auth.Code = 5
		alreadyExists      auth.Code = 6
		failedPrecondition auth.Code = 9
		outOfRange         auth.Code = 11
		unimplemented      auth.Code = 12
	)
	if retryAfter > 0 {
		return RetryLater
	}
	switch code {
	case invalidArgument, notFound, alreadyExists, auth.CodePermissionDenied, failedPrecondition, outOfRange, unimplemented:
		return GiveUp
	default:
		return RetryLater
	}
}
