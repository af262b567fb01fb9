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
		{"strict: the first alone, just below the limit", auth.StrictReverification(), ages(9, -1), true},
		{"strict: the first alone, at the limit", auth.StrictReverification(), ages(10, -1), false},
		{"strict: a fresh first does not excuse an old second", auth.StrictReverification(), ages(5, 30), false},
		{"strict: a fresh second excuses an old first", auth.StrictReverification(), ages(30, 5), true},
		{"strict: a fresh second excuses a first that never was", auth.StrictReverification(), ages(-1, 5), true},
		{"strict: a second just now excuses an old first", auth.StrictReverification(), ages(30, 0), true},
		{"strict_mfa: a second just now does not excuse an old first", auth.StrictMFAReverification(), ages(30, 0), false},
		{"strict_mfa: a first just now does not excuse an old second", auth.StrictMFAReverification(), ages(0, 30), false},
		{"strict: never", auth.StrictReverification(), ages(-1, -1), false},
		{"strict: the token does not say", auth.StrictReverification(), nil, false},
		{"strict_mfa: an old first", auth.StrictMFAReverification(), ages(30, 5), false},
		{"strict_mfa: an old second", auth.StrictMFAReverification(), ages(5, 30), false},
		{"strict_mfa: both fresh", auth.StrictMFAReverification(), ages(5, 5), true},
		{"strict_mfa: no second factor, a fresh first", auth.StrictMFAReverification(), ages(5, -1), true},
		{"strict_mfa: a first that never was", auth.StrictMFAReverification(), ages(-1, 5), false},
		{"strict_mfa: never", auth.StrictMFAReverification(), ages(-1, -1), false},
		{"strict_mfa: the token does not say", auth.StrictMFAReverification(), nil, false},
		{"moderate: just below an hour", auth.ModerateReverification(), ages(600, 59), true},
		{"moderate: an hour", auth.ModerateReverification(), ages(5, 60), false},
		{"lax: just below a day", auth.LaxReverification(), ages(5000, 1439), true},
		{"lax: a day", auth.LaxReverification(), ages(5, 1440), false},
		{"lax: never", auth.LaxReverification(), ages(-1, -1), false},
		{"lax: the token does not say", auth.LaxReverification(), nil, false},
		{"just now", auth.StrictMFAReverification(), ages(0, 0), true},
		{"nothing is asked: nobody is fresh", auth.Reverification{}, ages(0, 0), false},
		{"a limit between minutes is rounded down, for the age may be: at the minute", auth.Reverification{Within: 90 * time.Second, Level: auth.FirstFactor}, ages(1, -1), false},
		{"a limit between minutes is rounded down, for the age may be: before it", auth.Reverification{Within: 90 * time.Second, Level: auth.FirstFactor}, ages(0, -1), true},
		{"no level is asked: nobody is fresh", auth.Reverification{Within: time.Hour}, ages(0, -1), false},
		{"an unknown level: nobody is fresh", auth.Reverification{Within: time.Hour, Level: 9}, ages(0, 0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := &auth.Identity{FactorAges: tt.ages}
			if got := id.Fresh(tt.want, time.Time{}); got != tt.is {
				t.Errorf("Fresh(%+v) with %+v = %t", tt.want, tt.ages, got)
			}
		})
	}
}

// TestFreshByAuthTime has tokens without factor ages: their auth_time ages until the
// call, and proves a second factor only with amr.
func TestFreshByAuthTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := auth.Reverification{Within: 10 * time.Minute, Level: auth.FirstFactor}
	second := auth.Reverification{Within: 10 * time.Minute, Level: auth.SecondFactor}
	multi := auth.StrictMFAReverification()
	for _, tt := range []struct {
		name string
		want auth.Reverification
		ago  time.Duration
		amr  []string
		is   bool
	}{
		{"just now", first, 0, nil, true},
		{"just below the limit", first, 10*time.Minute - time.Nanosecond, nil, true},
		{"at the limit", first, 10 * time.Minute, nil, false},
		{"when the token was issued, which was long ago", first, 8 * time.Hour, nil, false},
		{"by the issuer's clock, which is ahead as it may be", first, -5 * time.Second, nil, true},
		{"later than any clock may be", first, -5*time.Second - time.Nanosecond, nil, false},
		{"by whatever method", first, time.Minute, []string{"unheard-of"}, true},
		{"second: no method is known", second, time.Minute, nil, false},
		{"second: a password alone", second, time.Minute, []string{"pwd"}, false},
		{"second: a code alone, which may be the first", second, time.Minute, []string{"otp"}, false},
		{"second: mfa", second, time.Minute, []string{"mfa"}, true},
		{"second: mfa, long ago", second, time.Hour, []string{"mfa"}, false},
		{"second: mfa beside others", second, time.Minute, []string{"pwd", "mfa"}, true},
		{"second: what is known and what is had", second, time.Minute, []string{"pwd", "otp"}, true},
		{"second: what is had and what is known", second, time.Minute, []string{"hwk", "pin"}, true},
		{"second: what is had and what the user is", second, time.Minute, []string{"sc", "fpt"}, true},
		{"second: twice what is known", second, time.Minute, []string{"pwd", "pin", "kba"}, false},
		{"second: twice what is had", second, time.Minute, []string{"otp", "sms", "hwk"}, false},
		{"second: twice what the user is", second, time.Minute, []string{"face", "fpt"}, false},
		{"second: a method that RFC 8176 does not know", second, time.Minute, []string{"pwd", "magic"}, false},
		{"second: a method of RFC 8176 that is no factor", second, time.Minute, []string{"pwd", "geo", "rba", "user", "mca", "wia"}, false},
		{"second: another spelling", second, time.Minute, []string{"MFA", "pwd", "OTP"}, false},
		{"multi: a password alone", multi, time.Minute, []string{"pwd"}, false},
		{"multi: two factors", multi, 9 * time.Minute, []string{"pwd", "swk"}, true},
		{"multi: two factors, at the limit", multi, 10 * time.Minute, []string{"pwd", "swk"}, false},
		{"nothing is asked: nobody is fresh", auth.Reverification{}, 0, []string{"mfa"}, false},
		{"no level is asked: nobody is fresh", auth.Reverification{Within: time.Hour}, 0, []string{"mfa"}, false},
		{"an unknown level: nobody is fresh", auth.Reverification{Within: time.Hour, Level: 9}, 0, []string{"mfa"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := &auth.Identity{AuthTime: now.Add(-tt.ago), AMR: tt.amr, Leeway: 5 * time.Second, IssuedAt: now.Add(-tt.ago)}
			if got := id.Fresh(tt.want, now); got != tt.is {
				t.Errorf("Fresh(%+v) %s after auth_time with %q = %t", tt.want, tt.ago, tt.amr, got)
			}
		})
	}
	if (&auth.Identity{AMR: []string{"mfa"}, IssuedAt: now}).Fresh(auth.LaxReverification(), now) {
		t.Error("fresh without auth_time")
	}
	old := &auth.FactorAges{First: time.Hour, Second: time.Hour}
	if (&auth.Identity{FactorAges: old, AuthTime: now, AMR: []string{"mfa"}}).Fresh(auth.StrictMFAReverification(), now) {
		t.Error("fresh by auth_time, though the token has the age of each factor")
	}
}
