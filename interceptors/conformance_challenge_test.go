package interceptors_test

import (
	"net/http"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// TestAChallengeSaysWhatToAskFor compares the text of the header, which every
// protocol sends alike.
func TestAChallengeSaysWhatToAskFor(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	cases := []struct {
		name, service string
		header        http.Header
		code          string
		reason        auth.Reason
		challenge     string
	}{
		{
			"a stranger", authenticated, nil,
			"unauthenticated", auth.TokenMissing,
			`Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a stranger where a scope is asked for", scopedOnly, nil,
			"unauthenticated", auth.TokenMissing,
			`Bearer scope="email", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a token that is no good", authenticated, bearer(k.forged()),
			"unauthenticated", auth.SignatureInvalid,
			`Bearer error="invalid_token", error_description="SIGNATURE_INVALID", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a token without the scope", scopedOnly, bearer(k.wide.OAuth(ada, authtest.With("scope", "profile"))),
			"permission_denied", auth.ScopeRequired,
			`Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", scope="email", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a user of an OpenID provider, verified too long ago", freshOnly, bearer(k.access()),
			"unauthenticated", auth.ReverificationRequired,
			`Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", max_age="600", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a user of Clerk's, verified too long ago", freshOnly, bearer(k.session(authtest.With("fva", []int{10, 0}))),
			"permission_denied", auth.ReverificationRequired,
			`Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", max_age="600", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a caller whom no token helps", adminsOnly, bearer(k.session()),
			"permission_denied", auth.RoleRequired,
			``,
		},
	}
	guard := k.guard(t)
	guard.ResourceMetadata = "https://api.example.com/.well-known/oauth-protected-resource"
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			call := transport.start(t, guard, new(service))
			for _, c := range cases {
				got := call(t.Context(), attempt{service: c.service, header: c.header, body: hello})
				if !got.refused || got.reason != c.reason || got.code != c.code {
					t.Errorf("%s: %s, %v (%t); want %s, %v", c.name, got.code, got.reason, got.refused, c.code, c.reason)
				}
				if want := c.challenge; got.challenge != want && !transport.noChallenge {
					t.Errorf("%s: WWW-Authenticate\n%s\nwant\n%s", c.name, got.challenge, want)
				}
			}
		})
	}
}
