package authtest_test

import (
	"slices"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

func TestTheVerifierRecognizesEachKind(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t, authtest.WithNow(fixedNow))
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: iss.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	verifier, err := token.New(token.Config{
		Now: fixedNow,
		Issuers: []token.Issuer{{
			URL:              iss.URL(),
			Keys:             keys,
			Profile:          token.Clerk(),
			AllowAnyAudience: true,
			Kinds:            []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	acme := authtest.InOrganization("org_acme", "acme", "admin", "invoices:read", "invoices:delete")
	permissions := []string{"org:invoices:read", "org:invoices:delete"}
	for _, test := range []struct {
		name, token string
		kind        auth.TokenKind
		permissions []string
	}{
		{"a session", iss.Session("user_ada", acme), auth.KindSession, permissions},
		{"a session of version 1", iss.SessionV1("user_ada", acme), auth.KindSession, permissions},
		{"a template's token", iss.Template("user_ada"), auth.KindTemplate, nil},
		{"an OAuth access token", iss.OAuth("user_ada"), auth.KindOAuth, nil},
		{"a machine's token", iss.Machine("mch_robo"), auth.KindMachine, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			id, err := verifier.Verify(t.Context(), test.token)
			if err != nil {
				t.Fatalf("%v: %v", err, auth.AsError(err).Cause)
			}
			if id.Kind != test.kind || id.Issuer != iss.URL() || !slices.Equal(id.Permissions, test.permissions) {
				t.Errorf("identity %+v", id)
			}
		})
	}
}
