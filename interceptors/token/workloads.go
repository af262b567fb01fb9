package token

import (
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
)

// workload is the profile of a platform that signs for its workloads alone. All
// its tokens are machines', which is what is accepted by default.
func workload(name string) Profile {
	return Profile{
		Name:       name,
		Algorithms: []string{"RS256"},
		Kinds:      []auth.TokenKind{auth.KindMachine},
		provider:   provider.Workload(),
	}
}

// Kubernetes returns the profile of a cluster's service account tokens. The
// subject is system:serviceaccount:{namespace}:{name}; the audience is what the
// projected volume asks for. The keys are at /openid/v1/jwks of the API server.
func Kubernetes() Profile {
	p := workload("kubernetes")
	p.Algorithms = []string{"RS256", "ES256", "ES384", "ES512"}
	p.provider = provider.Kubernetes()
	return p
}

// GitHubActions returns the profile of the jobs of GitHub Actions. The issuer is
// https://token.actions.githubusercontent.com; the audience is what the job asks
// for. Anybody's job can ask for any audience: let the rules check the subject,
// such as repo:acme/app:ref:refs/heads/main, or the organization, which is the
// owner of the repository.
func GitHubActions() Profile {
	p := workload("github-actions")
	p.OrganizationID = at("repository_owner_id")
	p.OrganizationSlug = at("repository_owner")
	return p
}

// GitLab returns the profile of the ID tokens of GitLab's CI jobs. Anybody's job
// can ask for any audience: let the rules check the subject, such as
// project_path:acme/app:ref_type:branch:ref:main, or the organization, which is
// the namespace. GitLab signs ID tokens for users with the same keys: they are of
// kind id, and not accepted by default.
func GitLab() Profile {
	p := workload("gitlab")
	p.OrganizationID = at("namespace_id")
	p.OrganizationSlug = at("namespace_path")
	p.provider = provider.GitLab()
	return p
}

// SPIFFE returns the profile of JWT-SVIDs. The Issuer's URL is the trust domain,
// such as spiffe://example.org, to which the subject must belong; iss, which few
// have, is not judged. Audiences are required by the specification (JWT-SVID,
// section 3.2).
func SPIFFE() Profile {
	p := workload("spiffe")
	p.Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
	p.provider = provider.SPIFFE()
	return p
}
