package ostiary_test

import (
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A shownProvider is what docs/providers.md shows for a profile.
type shownProvider struct {
	profile string
	config  ostiary.Config
	remote  jwks.RemoteConfig // where the keys are, if the issuer does not say
}

// shownProviders has them all. keys stand for those of the remote.
func shownProviders(keys jwks.Set) []shownProvider {
	return []shownProvider{
		{
			profile: "clerk",
			config: ostiary.Config{
				Issuer:            "https://clerk.example.com",
				AuthorizedParties: []string{"https://app.example.com"},
			},
		},
		{
			profile: "oidc",
			config: ostiary.Config{
				Issuer:    "https://accounts.example.com",
				Audiences: []string{"invoices"},
			},
		},
		{
			profile: "auth0",
			config: ostiary.Config{
				Issuer:    "https://example.eu.auth0.com/",
				Audiences: []string{"https://api.example.com"},
			},
		},
		{
			profile: "cognito",
			config: ostiary.Config{
				Issuer:            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example",
				AuthorizedParties: []string{"client_web"},
			},
		},
		{
			profile: "dex",
			config: ostiary.Config{
				Issuer:    "https://dex.example.com",
				Profile:   "dex",
				Audiences: []string{"client_web"},
			},
		},
		{
			profile: "entra",
			config: ostiary.Config{
				Issuer:    "https://login.microsoftonline.com/8c1f5b2e-0000-4000-8000-000000000000/v2.0",
				Audiences: []string{"5f0c8a1e-0000-4000-8000-000000000000"},
			},
		},
		{
			profile: "github-actions",
			config: ostiary.Config{
				Issuer:    "https://token.actions.githubusercontent.com",
				Audiences: []string{"https://api.example.com"},
			},
		},
		{
			profile: "gitlab",
			config: ostiary.Config{
				Issuer:    "https://gitlab.com",
				Audiences: []string{"https://api.example.com"},
			},
		},
		{
			profile: "google",
			config: ostiary.Config{
				Issuer:    "https://accounts.google.com",
				Audiences: []string{"client_web"},
			},
		},
		{
			profile: "hydra",
			config: ostiary.Config{
				Issuer:    "https://example.projects.oryapis.com",
				Audiences: []string{"invoices"},
			},
		},
		{
			profile: "keycloak",
			config: ostiary.Config{
				Issuer:            "https://sso.example.com/realms/acme",
				Audiences:         []string{"invoices"},
				FirstPartyClients: []string{"web"}, // a user through your own page is a session
			},
		},
		{
			profile: "kubernetes",
			config: ostiary.Config{Issuers: []token.Issuer{{
				URL:       "https://kubernetes.default.svc.cluster.local",
				Profile:   token.Kubernetes(),
				Keys:      keys,
				Audiences: []string{"invoices"},
			}}},
			remote: jwks.RemoteConfig{
				URL:       "https://kubernetes.default.svc/openid/v1/jwks",
				CAFile:    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
				TokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
			},
		},
		{
			profile: "okta",
			config: ostiary.Config{
				Issuer:    "https://example.okta.com/oauth2/default",
				Audiences: []string{"api://default"},
			},
		},
		{
			profile: "spiffe",
			config: ostiary.Config{Issuers: []token.Issuer{{
				URL:       "spiffe://example.org",
				Profile:   token.SPIFFE(),
				Keys:      keys,
				Audiences: []string{"invoices"},
			}}},
			remote: jwks.RemoteConfig{
				URL:          "https://spire.example.org/bundle",
				AllowJWTSVID: true,
			},
		},
		{
			profile: "supabase",
			config: ostiary.Config{
				Issuer:    "https://example.supabase.co/auth/v1",
				Audiences: []string{"authenticated"},
			},
		},
		{
			profile: "workos",
			config: ostiary.Config{Issuers: []token.Issuer{{
				URL:              "https://api.workos.com/user_management/client_example",
				Profile:          token.WorkOS(),
				Keys:             keys,
				AllowAnyAudience: true,
			}}},
			remote: jwks.RemoteConfig{
				URL: "https://api.workos.com/sso/jwks/client_example",
			},
		},
		{
			profile: "zitadel",
			config: ostiary.Config{
				Issuer:    "https://example.zitadel.cloud",
				Audiences: []string{"project_1"},
			},
		},
	}
}
