package interceptors_test

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/token"
)

// TestRulesOnWhatIssuersWrite goes from the token that an issuer signs to the guard's
// decision, for rules that ask for what few issuers write alike: claims of their own,
// and when and how the user signed in.
func TestRulesOnWhatIssuersWrite(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ago := func(d time.Duration) authtest.Edit { return authtest.With("auth_time", now.Add(-d).Unix()) }
	reverified := func(minutes uint32, level policyv1.Reverification_Level, acr ...string) *policyv1.Require {
		r := &policyv1.Reverification{AnyAcr: acr}
		if minutes > 0 {
			r.Freshness = &policyv1.Reverification_Custom_{Custom: &policyv1.Reverification_Custom{MaxAge: &durationpb.Duration{Seconds: int64(minutes) * 60}, Level: level}}
		}
		return &policyv1.Require{Reverification: r}
	}
	asked := func(text string) *policyv1.Require { return &policyv1.Require{Condition: text} }
	const (
		none, first, second, multi = policyv1.Reverification_LEVEL_UNSPECIFIED, policyv1.Reverification_LEVEL_FIRST, policyv1.Reverification_LEVEL_SECOND, policyv1.Reverification_LEVEL_MULTI

		pass, again, notMet = auth.Reason(255), auth.ReverificationRequired, auth.ConditionNotMet
		deploys             = "identity.claims.repository == 'acme/app' && identity.claims.ref.startsWith('refs/tags/v')"
	)
	with := authtest.With
	for _, tt := range []struct {
		name, profile string
		rule          *policyv1.Require
		token         []authtest.Edit
		want          auth.Reason
	}{
		{"a job of the repository, for a tag", "github-actions", asked(deploys), []authtest.Edit{with("repository", "acme/app"), with("ref", "refs/tags/v1.0.0")}, pass},
		{"a job of the repository, for a branch", "github-actions", asked(deploys), []authtest.Edit{with("repository", "acme/app"), with("ref", "refs/heads/main")}, notMet},
		{"a job of another repository", "github-actions", asked(deploys), []authtest.Edit{with("repository", "acme/app2"), with("ref", "refs/tags/v1.0.0")}, notMet},
		{"a job without a ref", "github-actions", asked(deploys), []authtest.Edit{with("repository", "acme/app"), authtest.Without("ref")}, notMet},
		{"a job whose repository is null", "github-actions", asked(deploys), []authtest.Edit{with("repository", nil), with("ref", "refs/tags/v1.0.0")}, notMet},
		{"a job whose number is a text", "github-actions", asked("identity.claims.run_number == 7"), []authtest.Edit{with("run_number", "7")}, notMet},
		{"a machine was never verified", "github-actions", reverified(5, first), nil, again},

		{"Auth0: how the user signed in, by a claim of one's own", "auth0", asked("'mfa' in identity.claims['https://acme.example/amr']"), []authtest.Edit{with("https://acme.example/amr", []string{"pwd", "mfa"})}, pass},
		{"Auth0: without it", "auth0", asked("'mfa' in identity.claims['https://acme.example/amr']"), nil, notMet},
		{"Auth0: no auth_time", "auth0", reverified(5, first), nil, again},

		{"Keycloak: lately", "keycloak", reverified(5, first), []authtest.Edit{ago(4 * time.Minute), with("acr", "1")}, pass},
		{"Keycloak: long ago, with a fresh token", "keycloak", reverified(5, first), []authtest.Edit{ago(time.Hour), with("acr", "1")}, again},
		{"Keycloak: at a level of authentication", "keycloak", reverified(5, first, "gold"), []authtest.Edit{ago(time.Minute), with("acr", "gold")}, pass},
		{"Keycloak: at another level", "keycloak", reverified(5, first, "gold"), []authtest.Edit{ago(time.Minute), with("acr", "1")}, again},
		{"Keycloak: a second factor by amr", "keycloak", reverified(5, second), []authtest.Edit{ago(time.Minute), with("amr", []string{"pwd", "otp"})}, pass},
		{"Keycloak: without amr", "keycloak", reverified(5, second), []authtest.Edit{ago(time.Minute), with("acr", "gold")}, again},

		{"Okta: two factors by acr", "okta", reverified(0, none, "urn:okta:loa:2fa:any"), []authtest.Edit{ago(time.Hour), with("acr", "urn:okta:loa:2fa:any")}, pass},
		{"Okta: one factor by acr", "okta", reverified(0, none, "urn:okta:loa:2fa:any"), []authtest.Edit{ago(time.Minute), with("acr", "urn:okta:loa:1fa:any")}, again},

		{"Entra: mfa", "entra", reverified(10, multi), []authtest.Edit{ago(time.Minute), with("amr", []string{"pwd", "mfa"})}, pass},
		{"Entra: a password", "entra", reverified(10, multi), []authtest.Edit{ago(time.Minute), with("amr", []string{"pwd"})}, again},
		{"Entra: mfa, of which nobody says when", "entra", reverified(10, multi), []authtest.Edit{with("amr", []string{"pwd", "mfa"})}, again},
		{"Entra: an authentication context", "entra", asked("'c1' in identity.claims.acrs"), []authtest.Edit{with("acrs", []string{"urn:user:registersecurityinfo", "c1"})}, pass},
		{"AD FS: a time in words is none", "entra", reverified(10, first), []authtest.Edit{with("auth_time", "2026-03-01T11:59:00.000Z")}, again},
		{"AD FS: and no fault", "entra", asked("identity.kind != 'machine' && !has(identity.auth_time) && has(identity.claims.auth_time)"), []authtest.Edit{with("auth_time", "2026-03-01T11:59:00.000Z")}, pass},
		{"a time after the token was issued is none", "oidc", reverified(10, first), []authtest.Edit{ago(-time.Second)}, again},
		{"null is no time", "oidc", reverified(10, first), []authtest.Edit{with("auth_time", nil)}, again},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			issuer := authtest.New("https://issuer.example.com", authtest.WithNow(clock))
			mint, subject := issuer.UserOf, "u-1"
			if tt.profile == "github-actions" {
				mint, subject = issuer.MachineOf, "repo:acme/app:ref:refs/tags/v1.0.0"
			}
			raw := mint(tt.profile, subject, tt.token...)
			profile, err := token.ProfileNamed(tt.profile)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := jwks.ParsePEM(issuer.PublicPEM())
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := token.New(token.Config{Now: clock, Issuers: []token.Issuer{{
				URL: issuer.URL(), Keys: keys, Profile: profile, AllowAnyAudience: true,
				Kinds: []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			rules, err := policy.New(policy.Now(clock), condition.Enable(),
				policy.Override("/acme.v1.Deploy/Run", &policyv1.Rule{Access: &policyv1.Rule_Require{Require: tt.rule}}))
			if err != nil {
				t.Fatal(err)
			}
			guard := &auth.Guard{Authenticator: verifier, Policy: rules, Now: clock}
			_, err = guard.Admit(t.Context(), auth.Call{Procedure: "/acme.v1.Deploy/Run", Header: http.Header{"Authorization": {"Bearer " + raw}}})
			got := pass
			if err != nil {
				got, _ = auth.ReasonOf(err)
			}
			if got != tt.want {
				t.Errorf("%v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
