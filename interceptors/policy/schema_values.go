package policy

import (
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// What the schema's values stand for. The zero value of each result, which
// nobody meets, stands for what this version does not know.

func kindOf(kind policyv1.Kind) auth.Kind {
	switch kind {
	case policyv1.Kind_KIND_SESSION:
		return auth.KindSession
	case policyv1.Kind_KIND_TEMPLATE:
		return auth.KindTemplate
	case policyv1.Kind_KIND_OAUTH:
		return auth.KindOAuth
	case policyv1.Kind_KIND_MACHINE:
		return auth.KindMachine
	default:
		return 0
	}
}

func freshness(r *policyv1.Reverification) auth.Reverification {
	switch f := r.GetFreshness().(type) {
	case *policyv1.Reverification_Preset_:
		return presetOf(f.Preset)
	case *policyv1.Reverification_Custom_:
		return customOf(f.Custom)
	default:
		return auth.Reverification{}
	}
}

func presetOf(preset policyv1.Reverification_Preset) auth.Reverification {
	switch preset {
	case policyv1.Reverification_PRESET_STRICT_MFA:
		return auth.StrictMFA()
	case policyv1.Reverification_PRESET_STRICT:
		return auth.Strict()
	case policyv1.Reverification_PRESET_MODERATE:
		return auth.Moderate()
	case policyv1.Reverification_PRESET_LAX:
		return auth.Lax()
	default:
		return auth.Reverification{}
	}
}

// maxMinutes is the longest limit of a reverification, ten years. Whoever means
// more means none.
const maxMinutes = 10 * 365 * 24 * 60

// customOf takes whatever is over maxMinutes for the same, as a time.Duration does
// not hold all of it.
func customOf(custom *policyv1.Reverification_Custom) auth.Reverification {
	minutes := min(custom.GetMinutes(), maxMinutes+1)
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
