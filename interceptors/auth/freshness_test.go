package auth_test

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestFresh(t *testing.T) {
	t.Parallel()
	// ages are in minutes, as in the claim fva; -1 is never.
	ages := func(first, second int) *auth.FactorAges {
		return &auth.FactorAges{First: time.Duration(first) * time.Minute, Second: time.Duration(second) * time.Minute}
	}
	first := auth.Reverification{Within: 10 * time.Minute, Level: auth.FirstFactor}
	for _, tt := range []struct {
		name string
		want auth.Reverification
		ages *auth.FactorAges
		is   bool
	}{
		{"first: just below the limit", first, ages(9, -1), true},
		{"first: at the limit", first, ages(10, -1), false},
		{"first: the second does not help", first, ages(30, 5), false},
		{"first: never, though the second is fresh", first, ages(-1, 5), false},
		{"strict: the first alone, just below the limit", auth.Strict(), ages(9, -1), true},
		{"strict: the first alone, at the limit", auth.Strict(), ages(10, -1), false},
		{"strict: a fresh first does not excuse an old second", auth.Strict(), ages(5, 30), false},
		{"strict: a fresh second excuses an old first", auth.Strict(), ages(30, 5), true},
		{"strict: a fresh second excuses a first that never was", auth.Strict(), ages(-1, 5), true},
		{"strict: never", auth.Strict(), ages(-1, -1), false},
		{"strict: the token does not say", auth.Strict(), nil, false},
		{"strict_mfa: an old first", auth.StrictMFA(), ages(30, 5), false},
		{"strict_mfa: an old second", auth.StrictMFA(), ages(5, 30), false},
		{"strict_mfa: both fresh", auth.StrictMFA(), ages(5, 5), true},
		{"strict_mfa: no second factor, a fresh first", auth.StrictMFA(), ages(5, -1), true},
		{"strict_mfa: a first that never was", auth.StrictMFA(), ages(-1, 5), false},
		{"strict_mfa: never", auth.StrictMFA(), ages(-1, -1), false},
		{"strict_mfa: the token does not say", auth.StrictMFA(), nil, false},
		{"moderate: just below an hour", auth.Moderate(), ages(600, 59), true},
		{"moderate: an hour", auth.Moderate(), ages(5, 60), false},
		{"lax: just below a day", auth.Lax(), ages(5000, 1439), true},
		{"lax: a day", auth.Lax(), ages(5, 1440), false},
		{"lax: never", auth.Lax(), ages(-1, -1), false},
		{"lax: the token does not say", auth.Lax(), nil, false},
		{"just now", auth.StrictMFA(), ages(0, 0), true},
		{"nothing is asked: nobody is fresh", auth.Reverification{}, ages(0, 0), false},
		{"no level is asked: nobody is fresh", auth.Reverification{Within: time.Hour}, ages(0, -1), false},
		{"an unknown level: nobody is fresh", auth.Reverification{Within: time.Hour, Level: 9}, ages(0, 0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := &auth.Identity{FactorAges: tt.ages}
			if got := id.Fresh(tt.want); got != tt.is {
				t.Errorf("Fresh(%+v) with %+v = %t", tt.want, tt.ages, got)
			}
		})
	}
}
