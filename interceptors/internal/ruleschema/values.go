package ruleschema

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// TokenKind returns the kind of token that a value of the schema stands for, or 0 for
// one that this version does not know.
func TokenKind(kind policyv1.TokenKind) auth.TokenKind {
	known, _ := auth.ParseTokenKind(strings.ToLower(strings.TrimPrefix(kind.String(), "TOKEN_KIND_")))
	return known
}

// TokenKindNames returns the names of all kinds of tokens, ordered.
func TokenKindNames() []string {
	var names []string
	for kind := range policyv1.TokenKind_name {
		if known := TokenKind(policyv1.TokenKind(kind)); known != 0 {
			names = append(names, known.String())
		}
	}
	slices.Sort(names)
	return names
}

// Reverification returns what a reverification of the schema asks for. A preset or
// level that this version does not know gives the zero value, which nobody meets.
func Reverification(r *policyv1.Reverification) auth.Reverification {
	switch f := r.GetFreshness().(type) {
	case *policyv1.Reverification_Preset_:
		return Preset(f.Preset)
	case *policyv1.Reverification_Custom_:
		return Custom(f.Custom)
	default:
		return auth.Reverification{}
	}
}

// Preset returns what a preset of the schema asks for.
func Preset(preset policyv1.Reverification_Preset) auth.Reverification {
	switch preset {
	case policyv1.Reverification_PRESET_STRICT_MFA:
		return auth.StrictMFAReverification()
	case policyv1.Reverification_PRESET_STRICT:
		return auth.StrictReverification()
	case policyv1.Reverification_PRESET_MODERATE:
		return auth.ModerateReverification()
	case policyv1.Reverification_PRESET_LAX:
		return auth.LaxReverification()
	default:
		return auth.Reverification{}
	}
}

// The bounds of max_age. A day has 24 hours here, and a year 365 days.
const (
	MinMaxAge = time.Minute // some tokens state ages in whole minutes
	MaxMaxAge = 10 * 365 * 24 * time.Hour
)

// Custom returns what a custom reverification asks for. Every limit over MaxMaxAge
// gives the same result, because a time.Duration does not hold all of them.
func Custom(custom *policyv1.Reverification_Custom) auth.Reverification {
	wanted := auth.Reverification{Within: min(custom.GetMaxAge().AsDuration(), MaxMaxAge+time.Second)}
	switch custom.GetLevel() {
	case policyv1.Reverification_LEVEL_FIRST:
		wanted.Level = auth.FirstFactor
	case policyv1.Reverification_LEVEL_SECOND:
		wanted.Level = auth.SecondFactor
	case policyv1.Reverification_LEVEL_MULTI:
		wanted.Level = auth.MultiFactor
	default: // no level
	}
	return wanted
}

// StreamTerms returns the terms of a rule's streams, or everything that is wrong
// with them. A rule without a stream part has the default terms.
func StreamTerms(s *policyv1.StreamTerms) (terms auth.StreamTerms, problems []error) {
	switch s.GetLease() {
	case policyv1.StreamTerms_LEASE_UNSPECIFIED, policyv1.StreamTerms_LEASE_RENEWABLE:
	case policyv1.StreamTerms_LEASE_UNTIL_EXPIRY:
		terms.Lease = auth.LeaseUntilExpiry
	case policyv1.StreamTerms_LEASE_AT_OPEN:
		terms.Lease = auth.LeaseAtOpen
	default:
		problems = append(problems, fmt.Errorf("stream: lease %d is not one that this version knows: use one of policy.proto's", s.GetLease()))
	}
	if lifetime := s.GetMaxLifetime(); lifetime != nil {
		terms.MaxLifetime = lifetime.AsDuration()
		if err := lifetime.CheckValid(); err != nil || terms.MaxLifetime <= 0 {
			problems = append(problems, fmt.Errorf("stream: no stream can live for a max_lifetime of %v: set more than zero, or leave it out for a day", terms.MaxLifetime))
		}
	}
	return terms, problems
}

// IsStream reports whether calls of a method are streams. It reports false for a
// method that is nil, of which there is no schema.
func IsStream(method protoreflect.MethodDescriptor) bool {
	return method != nil && (method.IsStreamingClient() || method.IsStreamingServer())
}
