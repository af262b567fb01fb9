package ruleschema

import (
	"slices"
	"strings"
	"time"

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
