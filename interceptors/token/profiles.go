package token

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Profiles returns every profile of this package.
func Profiles() []Profile {
	return []Profile{
		Clerk(), OIDC(), Auth0(), Cognito(), Dex(), Entra(), GitHubActions(), GitLab(), Google(), Hydra(),
		Keycloak(), Kubernetes(), Okta(), SPIFFE(), Supabase(), WorkOS(), ZITADEL(),
	}
}

// ProfileNamed returns the profile with the given name.
func ProfileNamed(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("unknown profile %q: use one of %s", name, strings.Join(names, ", "))
}

// ProfileOf returns the profile of an issuer whose URL says which it is, such as
// https://example.eu.auth0.com/ or https://sso.example.com/realms/acme; and otherwise
// OIDC(). A host clerk.example.com is taken for the Frontend API of a Clerk instance in
// production. The profile says where claims are and never whose keys count.
func ProfileOf(issuer string) Profile {
	u, err := url.Parse(issuer)
	if err != nil {
		return OIDC()
	}
	host := u.Hostname()
	under := func(domains ...string) bool {
		return slices.ContainsFunc(domains, func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) })
	}
	switch {
	case under("clerk.accounts.dev"), strings.HasPrefix(host, "clerk."):
		return Clerk()
	case under("auth0.com"):
		return Auth0()
	case under("amazonaws.com") && strings.HasPrefix(host, "cognito-idp."):
		return Cognito()
	case under("login.microsoftonline.com", "sts.windows.net", "ciamlogin.com"):
		return Entra()
	case host == "token.actions.githubusercontent.com":
		return GitHubActions()
	case host == "gitlab.com":
		return GitLab()
	case host == "accounts.google.com", issuer == "accounts.google.com":
		return Google()
	case under("oryapis.com"):
		return Hydra()
	case strings.Contains(u.Path, "/realms/"):
		return Keycloak()
	case under("okta.com", "oktapreview.com", "okta-emea.com"):
		return Okta()
	case u.Scheme == "spiffe":
		return SPIFFE()
	case under("supabase.co"):
		return Supabase()
	case under("workos.com"):
		return WorkOS()
	case under("zitadel.cloud"):
		return ZITADEL()
	default:
		return OIDC()
	}
}

// JWKSURL returns where an issuer of this profile publishes its keys, if that is always
// the same place; "" where discovery says it (OpenID Connect Discovery 1.0, section 4).
func (p *Profile) JWKSURL(issuer string) string {
	if p.Name == Clerk().Name {
		return strings.TrimSuffix(issuer, "/") + "/.well-known/jwks.json"
	}
	return ""
}
