package token_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// No text of an identity has a control character, since each of them ends up in a
// log, a header or a database.
func TestControlCharactersAreRefused(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	profile := token.OIDC()
	profile.OrganizationID = []token.ClaimPath{{"org", "id"}}
	profile.OrganizationSlug = []token.ClaimPath{{"org", "slug"}}
	profile.OrganizationRole = []token.ClaimPath{{"org", "role"}}
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile, i.Kinds = profile, everyKind })
	clerk := newVerifier(t, issuer, func(i *token.Issuer) { i.Kinds = everyKind })
	with := func(text string) map[string][]authtest.Edit {
		in := func(claim, member string) []authtest.Edit {
			members := map[string]any{"sub": "x", "id": "x"}
			members[member] = text
			return []authtest.Edit{authtest.With(claim, members)}
		}
		second := []string{"fine", text}
		return map[string][]authtest.Edit{
			"sub": {authtest.With("sub", text)}, "jti": {authtest.With("jti", text)}, "sid": {authtest.With("sid", text)},
			"client_id": {authtest.With("client_id", text), authtest.With("azp", "web")}, "azp": {authtest.With("azp", text), authtest.With("client_id", "web")},
			"aud": {authtest.With("aud", second)}, "roles": {authtest.With("roles", second)}, "groups": {authtest.With("groups", second)},
			"permissions": {authtest.With("permissions", second)}, "scope": {authtest.With("scope", second)},
			"acr": {authtest.With("acr", text)}, "amr": {authtest.With("amr", second)},
			"an organization's id": in("org", "id"), "an organization's slug": in("org", "slug"), "an organization's role": in("org", "role"),
			"an actor": in("act", "sub"), "an actor's issuer": in("act", "iss"), "an actor's session": in("act", "sid"), "an actor's type": in("act", "type"),
		}
	}
	for what, text := range map[string]string{
		"a line break": "a\nb", "a zero byte": "a\x00b", "an escape": "\x1b[2J", "a delete": "a\x7f",
		"a next line of U+0085": "a\u0085b", "the last of them, U+009F": "a\u009f",
	} {
		for claim, edits := range with(text) {
			t.Run(claim+" with "+what, func(t *testing.T) {
				t.Parallel()
				expect(t, v, issuer.OIDC("ada", edits...), auth.ClaimInvalid)
			})
		}
		for _, claim := range []string{"pla", "fea"} {
			expect(t, clerk, issuer.Session("ada", authtest.With(claim, "o:a,u:"+text)), auth.ClaimInvalid)
		}
		expect(t, clerk, issuer.Session("ada", authtest.With("o", map[string]any{"id": "org_1", "rol": text})), auth.ClaimInvalid)
		expect(t, clerk, issuer.SessionV1("ada", authtest.With("org_id", "org_1"), authtest.With("org_permissions", []string{"org:a:b", text})), auth.ClaimInvalid)
	}
	for claim, edits := range with("\u00a0ä\u2014\U0001f600") {
		t.Run(claim+" with letters beyond ASCII", func(t *testing.T) {
			t.Parallel()
			expect(t, v, issuer.OIDC("ada", edits...), pass)
		})
	}
}
