package auth_test

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestChallenge(t *testing.T) {
	t.Parallel()
	const metadata = "https://api.example.com/.well-known/oauth-protected-resource"
	for name, test := range map[string]struct {
		reason   auth.Reason
		demand   *auth.Demand
		metadata string
		want     string
	}{
		"no token":                          {reason: auth.TokenMissing, want: `Bearer`},
		"no token, where there is metadata": {reason: auth.TokenMissing, metadata: metadata, want: `Bearer resource_metadata="` + metadata + `"`},
		"no token, where a scope is asked for": {
			reason: auth.TokenMissing, demand: &auth.Demand{Scopes: []string{"a", "b"}}, want: `Bearer scope="a b"`,
		},
		"an expired token": {reason: auth.TokenExpired, want: `Bearer error="invalid_token", error_description="TOKEN_EXPIRED"`},
		"two tokens":       {reason: auth.CredentialsAmbiguous, want: `Bearer error="invalid_token", error_description="CREDENTIALS_AMBIGUOUS"`},
		"an unknown scope": {reason: auth.ScopeRequired, want: `Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED"`},
		"a scope, metadata": {
			reason: auth.ScopeRequired, demand: &auth.Demand{Scopes: []string{"files:read", "https://x.test/y"}}, metadata: metadata,
			want: `Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", scope="files:read https://x.test/y", resource_metadata="` + metadata + `"`,
		},
		"a step up": {
			reason: auth.ReverificationRequired, demand: &auth.Demand{MaxAge: 90 * time.Minute, ACRValues: []string{"urn:mfa", "2"}, StepUp: true},
			want: `Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", acr_values="urn:mfa 2", max_age="5400"`,
		},
		"a step up of a handler's": {reason: auth.ReverificationRequired, want: `Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED"`},
		"a quote in a scope is left out": {
			reason: auth.ScopeRequired, demand: &auth.Demand{Scopes: []string{`a", error="invalid_token`}}, metadata: metadata,
			want: `Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", resource_metadata="` + metadata + `"`,
		},
		"a backslash in a class": {
			reason: auth.ReverificationRequired, demand: &auth.Demand{ACRValues: []string{`a\`}},
			want: `Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED"`,
		},
		"a new line in the metadata": {reason: auth.TokenMissing, metadata: "https://x.test/\r\nSet-Cookie: a=b", want: `Bearer`},
		"a letter outside of ASCII":  {reason: auth.TokenMissing, demand: &auth.Demand{Scopes: []string{"é"}}, want: `Bearer`},
		"a role":                     {reason: auth.RoleRequired, metadata: metadata, want: ``},
		"an outage":                  {reason: auth.KeysUnavailable, metadata: metadata, want: ``},
		"our own fault":              {reason: auth.AuthFailure, metadata: metadata, want: ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal := &auth.Error{Reason: test.reason, Demand: test.demand}
			guard := &auth.Guard{ResourceMetadata: test.metadata}
			if got := guard.Challenge(refusal); got != test.want {
				t.Errorf("challenge\n%s\nwant\n%s", got, test.want)
			}
			if test.metadata == "" {
				if got := refusal.Challenge(); got != test.want {
					t.Errorf("without a guard\n%s\nwant\n%s", got, test.want)
				}
			}
		})
	}
}

func TestTheDemandIsInTheDetails(t *testing.T) {
	t.Parallel()
	refusal := &auth.Error{Reason: auth.ReverificationRequired, Demand: &auth.Demand{
		Scopes: []string{"a", "b"}, MaxAge: time.Minute, ACRValues: []string{"c"},
	}}
	got := infoOf(t, refusal).GetMetadata()
	for name, want := range map[string]string{"scope": "a b", "max_age": "60", "acr_values": "c"} {
		if got[name] != want {
			t.Errorf("%s %q; want %q", name, got[name], want)
		}
	}
	if len(got) != 3 || infoOf(t, auth.NewError(auth.ScopeRequired, nil)).GetMetadata() != nil {
		t.Errorf("metadata %v; want three, and none without a demand", got)
	}
}

func TestAStepUpIsUnauthenticated(t *testing.T) {
	t.Parallel()
	for _, reason := range auth.Reasons() {
		want := reason.Code()
		if reason == auth.ReverificationRequired {
			want = auth.CodeUnauthenticated
		}
		if got := (&auth.Error{Reason: reason, Demand: &auth.Demand{StepUp: true}}).Code(); got != want {
			t.Errorf("%v: code %v; want %v", reason, got, want)
		}
		if got := (&auth.Error{Reason: reason, Demand: &auth.Demand{}}).Code(); got != reason.Code() {
			t.Errorf("%v without a step up: code %v; want %v", reason, got, reason.Code())
		}
	}
}
