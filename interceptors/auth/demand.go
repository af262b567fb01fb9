package auth

import (
	"strconv"
	"strings"
	"time"
)

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
func (d *Demand) parameters() [][2]string {
	if d == nil {
		return nil
	}
	var all [][2]string
	if len(d.Scopes) > 0 {
		all = append(all, [2]string{"scope", strings.Join(d.Scopes, " ")})
	}
	if len(d.ACRValues) > 0 {
		all = append(all, [2]string{"acr_values", strings.Join(d.ACRValues, " ")})
	}
	if d.MaxAge > 0 {
		all = append(all, [2]string{"max_age", strconv.FormatInt(int64(d.MaxAge/time.Second), 10)})
	}
	return all
}
