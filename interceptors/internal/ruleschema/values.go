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
func TokenKind(kind policyv1.Kind) auth.TokenKind {
	known, _ := auth.ParseTokenKind(strings.ToLower(strings.TrimPrefix(kind.String(), "KIND_")))
	return known
}

// TokenKindNames returns the names of all kinds of tokens, ordered.
func TokenKindNames() []string {
	var names []string
	for kind := range policyv1.Kind_name {
		if known := TokenKind(policyv1.Kind(kind)); known != 0 {
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

// MaxMinutes is the longest limit of a reverification: ten years.
const MaxMinutes = 10 * 365 * 24 * 60

// Custom returns what a custom reverification asks for. Every limit over MaxMinutes
// gives the same result, because a time.Duration does not hold all of them.
func Custom(custom *policyv1.Reverification_Custom) auth.Reverification {
	minutes := min(custom.GetMinutes(), MaxMinutes+1)
	wanted := auth.Reverification{Within: time.Duration(minutes) * time.Minute}
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
func StreamTerms(s *policyv1.Stream) (terms auth.StreamTerms, problems []error) {
	switch s.GetLease() {
	case policyv1.Stream_LEASE_UNSPECIFIED, policyv1.Stream_LEASE_RENEWABLE:
	case policyv1.Stream_LEASE_UNTIL_EXPIRY:
		terms.Lease = auth.LeaseUntilExpiry
	case policyv1.Stream_LEASE_AT_OPEN:
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
