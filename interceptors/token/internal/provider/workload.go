package provider

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// SPIFFEScheme begins a trust domain, and a SPIFFE ID.
const SPIFFEScheme = "spiffe://"

// Workload is a platform that signs for its workloads alone. All its tokens are machines'.
func Workload() Provider {
	return Provider{
		OnlyIDsVerified: true,
		Extends:         auth.IssuerCapabilities{Kinds: []auth.TokenKind{auth.KindMachine}},
		kindOf:          func(*Provider, *Token) auth.TokenKind { return auth.KindMachine },
	}
}

// OfWorkloads returns p for an issuer that signs for workloads alone.
func (p *Provider) OfWorkloads() Provider {
	changed, workload := *p, Workload()
	changed.kindOf, changed.Extends.Kinds = workload.kindOf, workload.Extends.Kinds
	return changed
}

// Kubernetes is a cluster, whose tokens are those of service accounts.
func Kubernetes() Provider {
	p := Workload()
	p.kindOf = func(_ *Provider, t *Token) auth.TokenKind {
		if !strings.HasPrefix(t.Word("sub"), "system:serviceaccount:") {
			return 0 // nobody else has one
		}
		return auth.KindMachine
	}
	return p
}

// GitLab signs ID tokens for users with the same keys as for jobs.
func GitLab() Provider {
	p := Workload()
	p.Extends.Kinds = []auth.TokenKind{auth.KindMachine, auth.KindID}
	p.kindOf = func(_ *Provider, t *Token) auth.TokenKind {
		if !t.Has("job_id") && !t.Has("pipeline_id") {
			return auth.KindID
		}
		return auth.KindMachine
	}
	return p
}

// SPIFFE issues JWT-SVIDs.
func SPIFFE() Provider {
	p := Workload()
	p.BySubject = true
	p.allowJOSE = true
	return p
}

// IsGitHubActions reports whether the issuer is GitHub Actions, or that of one
// enterprise.
func IsGitHubActions(url string) bool {
	const issuer = "https://token.actions.githubusercontent.com"
	return url == issuer || strings.HasPrefix(url, issuer+"/")
}

// TrustDomain returns the trust domain of a SPIFFE ID, "" of anything else.
func TrustDomain(subject string) string {
	rest, ok := strings.CutPrefix(subject, SPIFFEScheme)
	if !ok {
		return ""
	}
	domain, path, _ := strings.Cut(rest, "/")
	if domain == "" || path == "" {
		return ""
	}
	return SPIFFEScheme + domain
}
