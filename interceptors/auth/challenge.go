package auth

import (
	"strconv"
	"strings"
	"time"
)

// Challenge returns the value of the WWW-Authenticate header for a refusal of a
// call that the Guard guards: that of [Error.Challenge], and ResourceMetadata where
// the Guard has one (RFC 9728, section 5.1). On a nil Guard it is Error.Challenge.
func (g *Guard) Challenge(refusal *Error) string {
	if g == nil || g.ResourceMetadata == "" {
		return refusal.Challenge()
	}
	return refusal.challenge(parameter{"resource_metadata", g.ResourceMetadata})
}

// Challenge returns the value of the WWW-Authenticate header for this refusal
// (RFC 6750, section 3), or "" where there is none: a challenge belongs to 401,
// and to 403 where another token would help.
//
// A call without a token is shown no error, as section 3.1 asks. Every other
// challenge has the Reason as its error_description. The parameters of the Demand
// follow.
func (e *Error) Challenge() string { return e.challenge() }

func (e *Error) challenge(more ...parameter) string {
	code := e.challengeCode()
	if code == "" && e.Reason != TokenMissing {
		return ""
	}
	var all []parameter
	if code != "" {
		all = append(all, parameter{"error", code}, parameter{"error_description", e.Reason.String()})
	}
	all = append(append(all, e.Demand.parameters()...), more...)
	var quoted []string
	for _, p := range all {
		if quotable(p.value) {
			quoted = append(quoted, p.name+`="`+p.value+`"`)
		}
	}
	return strings.TrimSuffix("Bearer "+strings.Join(quoted, ", "), " ")
}

// A parameter is one of a challenge.
type parameter struct{ name, value string }

// challengeCode returns the error of RFC 6750, section 3.1, or of RFC 9470,
// section 3; "" where there is none.
func (e *Error) challengeCode() string {
	switch {
	case e.Reason == TokenMissing:
		return ""
	case e.Reason == ScopeRequired:
		return "insufficient_scope"
	case e.Reason == ReverificationRequired:
		return "insufficient_user_authentication"
	case e.Reason.Code() == CodeUnauthenticated:
		return "invalid_token"
	default:
		return ""
	}
}

// quotable reports whether a value can stand between quotes as it is. None of the
// values that a challenge has may hold anything else (RFC 6749, appendix A.4; RFC
// 3986), so one that does is left out, and cannot break out of its quotes.
func quotable(value string) bool {
	return value != "" && !strings.ContainsFunc(value, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// A Demand is what a new token would need, where a refused caller can request one:
// parameters of the challenge, for programs. It says what the rule of the method
// asks for and nothing else, as anybody may read it. It must not be changed.
type Demand struct {
	// Scopes are all that the method asks for (RFC 6750, section 3).
	Scopes []string
	// MaxAge is how long ago the user may have been authenticated at most, in whole
	// seconds on the wire (RFC 9470, section 3). 0 asks for nothing.
	MaxAge time.Duration
	// ACRValues are the classes of authentication that count, the preferred first
	// (RFC 9470, section 3).
	ACRValues []string
	// StepUp is set where the caller's client acts on the challenge of RFC 9470. A
	// refusal for ReverificationRequired is then UNAUTHENTICATED, as section 3 asks.
	StepUp bool
}

// parameters returns the names and values of the challenge, in the order in which
// they are sent.
func (d *Demand) parameters() []parameter {
	if d == nil {
		return nil
	}
	var all []parameter
	if len(d.Scopes) > 0 {
		all = append(all, parameter{"scope", strings.Join(d.Scopes, " ")})
	}
	if len(d.ACRValues) > 0 {
		all = append(all, parameter{"acr_values", strings.Join(d.ACRValues, " ")})
	}
	if d.MaxAge > 0 {
		all = append(all, parameter{"max_age", strconv.FormatInt(int64(d.MaxAge/time.Second), 10)})
	}
	return all
}
