package policy_test

import (
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// TestReverificationByAuthTime is that of tokens which say when their user signed in,
// and how, but have no age for each factor.
func TestReverificationByAuthTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ofClass := func(r *policyv1.Reverification, acr ...string) *policyv1.Reverification {
		return &policyv1.Reverification{Freshness: r.GetFreshness(), AnyAcr: acr}
	}
	first := schematest.Custom(5, policyv1.Reverification_LEVEL_FIRST)
	second := schematest.Custom(5, policyv1.Reverification_LEVEL_SECOND)
	strict := schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA)
	caller := func(ago time.Duration, acr string, amr ...string) *auth.Identity {
		return &auth.Identity{IssuedAt: now.Add(-ago), AuthTime: now.Add(-ago), ACR: acr, AMR: amr}
	}
	const again = auth.ReverificationRequired
	for _, tt := range []struct {
		name   string
		asked  *policyv1.Reverification
		caller *auth.Identity
		want   auth.Reason
		cause  string
	}{
		{"lately", first, caller(4*time.Minute, ""), schematest.Pass, ""},
		{"at the limit, though the token was issued then", first, caller(5*time.Minute, ""), again, "a verification within 5 minutes, level first"},
		{"the token does not say", first, &auth.Identity{IssuedAt: now}, again, "the token does not say when"},
		{"a second factor that nothing proves", second, caller(time.Minute, "gold", "pwd"), again, "level second"},
		{"a second factor that amr proves", second, caller(time.Minute, "", "pwd", "otp"), schematest.Pass, ""},
		{"both factors", strict, caller(time.Minute, "", "mfa"), schematest.Pass, ""},
		{"both factors, long ago", strict, caller(10*time.Minute, "", "mfa"), again, "level multi"},
		{"a class", ofClass(nil, "phr", "phrh"), caller(48*time.Hour, "phrh"), schematest.Pass, ""},
		{"a class, of a token without auth_time", ofClass(nil, "phr"), &auth.Identity{ACR: "phr"}, schematest.Pass, ""},
		{"another class", ofClass(nil, "phr", "phrh"), caller(0, "pwd"), again, `a verification of class "phr" or "phrh"`},
		{"a class in other letters", ofClass(nil, "phr"), caller(0, "PHR"), again, `of class "phr"`},
		{"a class that begins alike", ofClass(nil, "phr"), caller(0, "phrh"), again, `of class "phr"`},
		{"no class", ofClass(nil, "phr"), caller(0, ""), again, `of class "phr"`},
		{"a class lately", ofClass(first, "phr"), caller(time.Minute, "phr"), schematest.Pass, ""},
		{"a class long ago", ofClass(first, "phr"), caller(time.Hour, "phr"), again, `within 5 minutes, level first of class "phr"`},
		{"another class lately", ofClass(first, "phr"), caller(time.Minute, "pwd"), again, `of class "phr"`},
		{"a class proves no second factor", ofClass(second, "phr"), caller(time.Minute, "phr"), again, "level second"},
		{"a class beside Clerk's ages", ofClass(first, "phr"), &auth.Identity{FactorAges: &auth.FactorAges{Second: -1}}, again, `of class "phr"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules, err := policy.New(policy.Clock(func() time.Time { return now }), policy.Override("/p", schematest.Require(&policyv1.Require{Reverification: tt.asked})))
			if err != nil {
				t.Fatal(err)
			}
			err = rules.Rule("/p").Check(tt.caller)
			schematest.AssertReason(t, err, tt.want)
			if err != nil && !strings.Contains(auth.AsError(err).Cause.Error(), tt.cause) {
				t.Errorf("the cause is %v, want %q", auth.AsError(err).Cause, tt.cause)
			}
		})
	}
}
