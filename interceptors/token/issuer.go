package token

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
)

// TenantPlaceholder stands for a tenant in the URL of an issuer of many tenants,
// as in the metadata of Microsoft Entra ID.
const TenantPlaceholder = "{tenantid}"

// An Issuer is one that is trusted, and what its tokens must be like.
type Issuer struct {
	// URL is the exact iss claim, a trailing slash included. Required. It is
	// compared as text, and so need not be a URL: accounts.google.com is one that
	// is none. With profile spiffe it is the trust domain, such as
	// spiffe://example.org, and tokens need no iss. With TenantPlaceholder in it,
	// Tenants are required.
	URL string
	// Aliases are other spellings of iss that the same issuer uses. The Issuer of
	// an identity is URL all the same, whichever spelling its token has. Google's
	// two documented spellings are aliases of each other by themselves.
	Aliases []string
	// Tenants are the ids of the tenants that are trusted, where URL has
	// TenantPlaceholder in place of one. Each is then an issuer of its own, with its
	// id in place of the placeholder.
	Tenants []string
	// Keys are the issuer's public keys. Required.
	Keys jwks.Set
	// Profile says where the claims are. The zero value is OIDC().
	Profile Profile
	// Audiences are the values of aud of which a token must have one. Empty
	// leaves aud unjudged.
	Audiences []string
	// AuthorizedParties are the values of azp of which a token must have one.
	// Empty leaves azp unjudged.
	AuthorizedParties []string
	// AllowMissingAuthorizedParty accepts tokens without azp, or with an empty one,
	// although AuthorizedParties are given: those that a backend has issued have
	// none.
	AllowMissingAuthorizedParty bool
	// AllowAnyAudience must be set when neither Audiences nor AuthorizedParties
	// are given. It accepts tokens that the issuer made for somebody else's
	// service, which that service can then use here.
	AllowAnyAudience bool
	// AllowUnboundConfirmation accepts a token that is bound to a key (cnf, RFC
	// 7800) without checking the binding (RFC 9449, section 7.2), so a thief of the
	// token can use it. If false, such a token is refused with TokenBindingUnchecked.
	AllowUnboundConfirmation bool
	// FirstPartyClients are the OAuth clients through which users act in person,
	// such as the service's own page and apps. A user's access token for one of
	// them is a session (auth.KindSession); for any other client it is that
	// client's (auth.KindOAuth), which acts for the user within its scopes. Empty
	// means that no client is known to be first-party.
	FirstPartyClients []string
	// Algorithms are the accepted ones (RFC 7518, section 3.1). EdDSA and Ed25519
	// (RFC 9864) are the same. Empty means those of the profile.
	Algorithms []string
	// Kinds are the accepted kinds of token. Empty means those of the profile, of
	// which templates count only with Audiences, since an audience is what
	// templates are made for.
	Kinds []auth.TokenKind
	// MaxTokenBytes is the longest accepted token of this issuer. 0 means
	// Config.MaxTokenBytes, or the profile's where that is 0 too. A token is read
	// up to the largest limit of all issuers before its issuer is known.
	MaxTokenBytes int
	// Skew is how far the issuer's clock may be off. 0 means DefaultSkew,
	// negative means none. At most MaxSkew.
	Skew time.Duration
	// MaxLifetime is the longest accepted time from iat to exp. 0 means
	// DefaultMaxLifetime.
	MaxLifetime time.Duration
}

// KindNames lists Kinds by their names, for logs, such as "session, oauth".
func (i *Issuer) KindNames() string {
	names := make([]string, len(i.Kinds))
	for n, kind := range i.Kinds {
		names[n] = kind.String()
	}
	return strings.Join(names, ", ")
}

// normalize fills in the defaults and returns everything that is wrong.
func (i *Issuer) normalize(maxTokenBytes int) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("issuer %q: "+format, append([]any{i.URL}, args...)...))
	}
	if i.Keys == nil {
		fault("Keys are required: use jwks.NewRemote, or jwks.ParsePEM for one key without network")
	}
	i.fitProfile()
	if err := i.Profile.check(); err != nil {
		fault("%w", err)
	}
	for _, err := range i.checkNames() {
		fault("%w", err)
	}
	i.Profile.expand(i.Audiences)
	if slices.Contains(i.Profile.provider.Spellings, i.URL) {
		i.Aliases = append(slices.Clone(i.Aliases), i.Profile.provider.Spellings...)
	}
	for _, err := range i.checkParties() {
		fault("%w", err)
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = i.Profile.Algorithms
	}
	i.Algorithms = slices.Clone(i.Algorithms)
	for n, algorithm := range i.Algorithms {
		i.Algorithms[n] = jwks.CanonicalAlgorithm(algorithm)
		if !slices.Contains(OIDC().Algorithms, i.Algorithms[n]) {
			fault("algorithm %q is not supported: use RS256…512, PS256…512, ES256…512, or EdDSA, which is also Ed25519", algorithm)
		}
	}
	if len(i.Kinds) == 0 {
		i.Kinds = i.defaultKinds()
	}
	if slices.Contains(i.Kinds, 0) {
		fault("the zero Kind is no kind of token")
	}
	i.MaxTokenBytes = cmp.Or(i.MaxTokenBytes, maxTokenBytes, i.Profile.MaxTokenBytes, DefaultMaxTokenBytes)
	if i.MaxTokenBytes < 0 && maxTokenBytes >= 0 {
		fault("MaxTokenBytes is negative")
	}
	switch {
	case i.Skew == 0:
		i.Skew = DefaultSkew
	case i.Skew < 0:
		i.Skew = 0
	case i.Skew > MaxSkew:
		fault("Skew is over %s: set the clocks right instead", MaxSkew)
	}
	switch {
	case i.MaxLifetime == 0:
		i.MaxLifetime = DefaultMaxLifetime
	case i.MaxLifetime < 0:
		fault("MaxLifetime is negative")
	}
	return errors.Join(faults...)
}

// fitProfile fills in the default profile. GitHub Actions signs for nobody but
// workloads, whatever the profile.
func (i *Issuer) fitProfile() {
	if reflect.ValueOf(i.Profile).IsZero() {
		i.Profile = OIDC()
	}
	if provider.IsGitHubActions(i.URL) {
		i.Profile.Kinds, i.Profile.provider = GitHubActions().Kinds, i.Profile.provider.OfWorkloads()
	}
}

// defaultKinds returns the kinds that are accepted where none are named.
func (i *Issuer) defaultKinds() []auth.TokenKind {
	kinds := i.Profile.Kinds
	if len(kinds) == 0 {
		kinds = OIDC().Kinds
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k auth.TokenKind) bool {
		return k == auth.KindTemplate && len(i.Audiences) == 0
	})
}

// tenants returns the issuer itself, or one for each of its tenants.
func (i *Issuer) tenants() []Issuer {
	if !strings.Contains(i.URL, TenantPlaceholder) {
		return []Issuer{*i}
	}
	all := make([]Issuer, 0, len(i.Tenants))
	for _, tenant := range i.Tenants {
		one := *i
		one.URL = strings.ReplaceAll(i.URL, TenantPlaceholder, tenant)
		one.Aliases = nil
		for _, alias := range i.Aliases {
			one.Aliases = append(one.Aliases, strings.ReplaceAll(alias, TenantPlaceholder, tenant))
		}
		all = append(all, one)
	}
	return all
}

// checkNames returns what is wrong with URL, Aliases and Tenants.
func (i *Issuer) checkNames() []error {
	var faults []error
	for _, name := range append([]string{i.URL}, i.Aliases...) {
		faults = append(faults, i.checkName(name))
	}
	if len(i.Tenants) > 0 && !strings.Contains(i.URL, TenantPlaceholder) {
		faults = append(faults, fmt.Errorf("URL has no %s in place of a tenant, though Tenants are given", TenantPlaceholder))
	}
	for _, tenant := range i.Tenants {
		switch {
		case tenant == "" || strings.ContainsAny(tenant, "/{} "):
			faults = append(faults, fmt.Errorf("tenant %q is not the id of a tenant", tenant))
		case slices.Contains([]string{"common", "organizations", "consumers"}, tenant):
			faults = append(faults, fmt.Errorf("tenant %q stands for many tenants, and no token has it in its iss: name each tenant's id", tenant))
		}
	}
	return slices.DeleteFunc(faults, func(err error) bool { return err == nil })
}

func (i *Issuer) checkName(name string) error {
	switch {
	case name == "":
		return errors.New("URL must be the exact iss claim, such as https://clerk.example.com")
	case !claims.IsPlain(name) || strings.Contains(name, " "):
		return fmt.Errorf("%q has a space or a control character, which no iss has", name)
	case i.Profile.provider.BySubject && (!strings.HasPrefix(name, provider.SPIFFEScheme) || strings.Contains(name[len(provider.SPIFFEScheme):], "/") || name == provider.SPIFFEScheme):
		return fmt.Errorf("profile %s wants the trust domain, such as spiffe://example.org, and nothing after it", i.Profile.Name)
	case !i.Profile.provider.BySubject && strings.HasPrefix(name, provider.SPIFFEScheme):
		return errors.New("a trust domain needs profile spiffe")
	}
	if strings.Contains(name, TenantPlaceholder) {
		if len(i.Tenants) == 0 {
			return fmt.Errorf("%s stands for a tenant: write the tenant's id there, or list Tenants", TenantPlaceholder)
		}
		name = strings.ReplaceAll(name, TenantPlaceholder, "tenant")
	}
	if strings.ContainsAny(name, "{}*") {
		return fmt.Errorf("%q is a pattern, which matches no iss: iss is compared exactly", name)
	}
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		if u, err := url.Parse(name); err != nil || u.Hostname() == "" {
			return fmt.Errorf("%q is not a URL with a host", name)
		}
	}
	return nil
}

// checkParties returns what is wrong with Audiences, AuthorizedParties and
// FirstPartyClients: entries that no token can match are faults, as they look
// like a protection, or a permission, that is not there.
func (i *Issuer) checkParties() []error {
	var faults []error
	if len(i.Audiences) == 0 && len(i.AuthorizedParties) == 0 && !i.AllowAnyAudience {
		faults = append(faults, errors.New("give Audiences or AuthorizedParties, or set AllowAnyAudience to accept tokens made for any service"))
	}
	for _, entry := range slices.Concat(i.Audiences, i.AuthorizedParties, i.FirstPartyClients) {
		switch {
		case entry == "":
			faults = append(faults, errors.New("an empty audience, authorized party or client would match nothing: remove it"))
		case strings.Contains(entry, "*"):
			faults = append(faults, fmt.Errorf("%q would match nothing, as audiences, authorized parties and clients are compared exactly: write each out", entry))
		case !claims.IsPlain(entry) || strings.TrimSpace(entry) != entry:
			faults = append(faults, fmt.Errorf("%q would match nothing: remove the white space or control character", entry))
		}
	}
	if !i.Profile.provider.PartiesAreOrigins {
		return faults
	}
	for _, party := range i.AuthorizedParties {
		if scheme, rest, ok := strings.Cut(party, "://"); ok && (strings.ContainsAny(rest, "/?#") || scheme != strings.ToLower(scheme)) {
			faults = append(faults, fmt.Errorf("authorized party %q would match nothing: azp is an origin, a scheme and a host without a slash behind, such as https://app.example.com", party))
		}
	}
	return faults
}
