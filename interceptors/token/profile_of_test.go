package token_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/token"
)

func TestAnIssuerThatSaysWhichItIsGetsItsProfile(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://merry-cat-42.clerk.accounts.dev":                      "clerk",
		"https://clerk.example.com":                                    "clerk",
		"https://example.eu.auth0.com/":                                "auth0",
		"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc":    "cognito",
		"https://login.microsoftonline.com/{tenantid}/v2.0":            "entra",
		"https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db4/": "entra",
		"https://token.actions.githubusercontent.com":                  "github-actions",
		"https://gitlab.com":                                           "gitlab",
		"https://accounts.google.com":                                  "google",
		"accounts.google.com":                                          "google",
		"https://merry-cat.projects.oryapis.com":                       "hydra",
		"https://sso.example.com/realms/acme":                          "keycloak",
		"https://example.okta.com/oauth2/default":                      "okta",
		"spiffe://example.org":                                         "spiffe",
		"https://abc.supabase.co/auth/v1":                              "supabase",
		"https://api.workos.com/user_management/client_1":              "workos",
		"https://merry-cat.zitadel.cloud":                              "zitadel",
		"https://login.example.com":                                    "oidc",
		"https://evilauth0.com/":                                       "oidc",
		"https://auth0.com.evil.example/":                              "oidc",
		"https://cognito-idp.evil.example":                             "oidc",
		"https://gitlab.com.evil.example":                              "oidc",
		"://":                                                          "oidc",
	} {
		if got := token.ProfileOf(issuer).Name; got != want {
			t.Errorf("ProfileOf(%s) = %s; want %s", issuer, got, want)
		}
	}
}
