package settings

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// MaxTokenBytesLimit is the most that an Issuer's MaxTokenBytes can be: all headers
// of a call together are at most 32 KiB.
const MaxTokenBytesLimit = transport.MaxHeaderBytes - 2<<10

// faults returns what is wrong, with settings relative to the issuer.
func (i *Issuer) faults() []Fault {
	var faults faultList
	add := faults.add
	_, err := i.TokenProfile()
	add("profile", err)
	add("url", i.checkURL())
	for _, alias := range i.Aliases {
		add("aliases", i.checkIss(alias))
	}
	add("tenants", i.checkTenants()...)
	faults = append(faults, i.Claims.faults()...)
	faults = append(faults, i.keyFaults()...)
	faults = append(faults, i.secretKeyFaults()...)
	add("backchannel_logout", i.logoutFaults()...)
	faults = append(faults, i.Console.faults(i)...)
	add("audiences", i.checkAudience())
	add("audiences", checkExact(i.Audiences)...)
	add("authorized_parties", checkExact(i.AuthorizedParties)...)
	add("authorized_parties", i.checkOrigins()...)
	add("first_party_clients", checkExact(i.FirstPartyClients)...)
	for _, algorithm := range i.Algorithms {
		if !slices.Contains(token.OIDC().Algorithms, jwks.CanonicalAlgorithm(algorithm)) {
			add("algorithms", fmt.Errorf("%q is not supported; use %s", algorithm, strings.Join(token.OIDC().Algorithms, ", ")))
		}
	}
	if i.MaxTokenBytes < 0 || i.MaxTokenBytes > MaxTokenBytesLimit {
		add("max_token_bytes", fmt.Errorf("must be from 1 to %d, since all headers of a call together are at most %d bytes", MaxTokenBytesLimit, transport.MaxHeaderBytes))
	}
	if i.Skew > token.MaxSkew {
		add("skew", fmt.Errorf("is over %s; set the clocks right instead", token.MaxSkew))
	}
	if i.MaxLifetime < 0 {
		add("max_lifetime", errors.New("must not be negative; write a duration such as 24h"))
	}
	return faults
}

// keyFaults returns what is wrong with the settings that say where the keys are.
func (i *Issuer) keyFaults() []Fault {
	var faults faultList
	add := faults.add
	if i.JWKSURL != "" {
		add("jwks_url", i.checkTransport(i.JWKSURL))
	}
	if i.CAFile != "" {
		add("ca_file", cmp.Or(i.checkFetched(), jwks.CheckCAFile(i.CAFile)))
	}
	if i.TokenFile != "" {
		add("token_file", cmp.Or(i.checkFetched(), i.checkTokenIsPrivate(), jwks.CheckTokenFile(i.TokenFile)))
	}
	if i.JWTKey != "" {
		add("jwt_key", i.checkKey())
	}
	if i.KeysSnapshot != "" {
		add("keys_snapshot", jwks.CheckSnapshot(i.KeysSnapshot))
	}
	return faults
}

// checkURL checks the iss claim, and that the keys can be found from it.
func (i *Issuer) checkURL() error {
	if err := i.checkIss(i.URL); err != nil || i.JWKSURL != "" || i.JWTKey != "" {
		return err
	}
	switch {
	case i.isSPIFFE():
		return mentionf("a trust domain does not say where its keys are; set %s to the address of its bundle", settingName("jwks_url"))
	case !isHTTP(i.URL):
		return mentionf("%q is not a URL; write https://host/path. If the iss claim really is no URL, set %s too", i.URL, settingName("jwks_url"))
	case strings.Contains(i.URL, token.TenantPlaceholder):
		return mentionf("has %s, so the keys cannot be discovered from it; set %s, such as https://login.microsoftonline.com/common/discovery/v2.0/keys", token.TenantPlaceholder, settingName("jwks_url"))
	default:
		return nil
	}
}

// checkIss checks the form of an iss claim.
func (i *Issuer) checkIss(iss string) error {
	hasTenant := strings.Contains(iss, token.TenantPlaceholder)
	switch {
	case iss == "":
		return errors.New("missing; set it to the exact iss claim of the tokens, such as https://clerk.example.com")
	case hasTenant && len(i.Tenants) == 0:
		return mentionf("%s stands for a tenant, and no token has it in its iss; write your tenant's id in its place, or list ids in %s", token.TenantPlaceholder, settingName("tenants"))
	case strings.ContainsAny(strings.ReplaceAll(iss, token.TenantPlaceholder, ""), "{}*"):
		return fmt.Errorf("%q is a pattern, and iss is compared exactly; write it out", iss)
	case i.isSPIFFE():
		return checkTrustDomain(iss)
	case isHTTP(iss):
		return i.checkHTTPIss(iss)
	case strings.Contains(iss, "#") || strings.ContainsFunc(iss, isBlank):
		return fmt.Errorf("%q has white space or a fragment, which no iss has; write the exact iss claim of the tokens", iss)
	case strings.HasPrefix(iss, "spiffe://"):
		return mentionf("%q is a trust domain; set %s to spiffe", iss, settingName("profile"))
	default:
		return nil
	}
}

func isHTTP(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// checkTrustDomain checks the name of a SPIFFE trust domain (SPIFFE ID, section
// 2.1).
func checkTrustDomain(iss string) error {
	domain, found := strings.CutPrefix(iss, "spiffe://")
	if !found || domain == "" || strings.ContainsAny(domain, "/?#@:") || strings.ContainsFunc(domain, isBlank) {
		return fmt.Errorf("%q is not a trust domain; with profile spiffe write one such as spiffe://example.org", iss)
	}
	return nil
}

// checkHTTPIss checks an iss that is a URL. It has no query and no fragment
// (OpenID Connect Discovery 1.0, section 3). Where the keys are somewhere else, iss
// is a name that nothing is fetched from: that of AD FS is on plain http.
func (i *Issuer) checkHTTPIss(iss string) error {
	check := i.checkTransport
	if i.JWKSURL != "" || i.JWTKey != "" {
		check = checkAddress
	}
	if err := check(iss); err != nil {
		return err
	}
	if u, err := url.Parse(iss); err != nil || u.RawQuery != "" {
		return errors.New("has a query; write scheme, host and path alone, as the iss claim has them")
	}
	if i.isClerk() && strings.HasSuffix(iss, "/") {
		return fmt.Errorf("%q ends in a slash, which Clerk's iss claim never does; remove it", iss)
	}
	return nil
}

// checkTransport requires https for an issuer and for the address of its keys: an
// attacker who can change the keys can sign any token.
func (i *Issuer) checkTransport(s string) error {
	if err := checkAddress(s); err != nil {
		return err
	}
	if u, err := url.Parse(s); err == nil && isPlain(u) && !i.InsecureHTTP {
		return mentionf("%q is plain http, which is allowed on loopback alone; use https, or set %s within a private network", s, settingName("insecure_http"))
	}
	return nil
}

// checkAddress checks that s is a URL of http or https, without a user or a fragment.
func checkAddress(s string) error {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil || err != nil && strings.Contains(s, "@"):
		return errors.New("has a user; write it without, since keys are public")
	case err != nil || u.Hostname() == "" || !isHTTP(s) || strings.ContainsFunc(s, isBlank):
		return fmt.Errorf("%q is not a URL; write https://host/path", s)
	case u.Fragment != "":
		return errors.New("has a fragment; remove the # and what follows")
	default:
		return nil
	}
}

// isPlain reports whether others can read and change what is fetched from u.
func isPlain(u *url.URL) bool { return u.Scheme == "http" && !loopback.Host(u.Hostname()) }

// checkFetched refuses settings of the request for the keys where there is none.
func (i *Issuer) checkFetched() error {
	if i.JWTKey != "" {
		return mentionf("given beside %s, with which nothing is fetched; remove one of them", settingName("jwt_key"))
	}
	return nil
}

func (i *Issuer) checkTokenIsPrivate() error {
	if u, err := url.Parse(cmp.Or(i.JWKSURL, i.URL)); err == nil && isPlain(u) {
		return errors.New("would be sent over plain http, where the network can read it; fetch the keys over https")
	}
	return nil
}

func (i *Issuer) checkTenants() []error {
	if len(i.Tenants) == 0 {
		return nil
	}
	if !strings.Contains(i.URL, token.TenantPlaceholder) {
		return []error{mentionf("given, though %s has no %s for them; write it in place of the tenant's id", settingName("url"), token.TenantPlaceholder)}
	}
	var faults []error
	for _, tenant := range i.Tenants {
		switch {
		case slices.Contains([]string{"common", "organizations", "consumers"}, tenant):
			faults = append(faults, fmt.Errorf("%q stands for many tenants, and no token has it in its iss; write each tenant's id", tenant))
		case tenant == "" || strings.ContainsAny(tenant, "/{}*#?") || strings.ContainsFunc(tenant, isBlank):
			faults = append(faults, fmt.Errorf("%q is not the id of a tenant; write one such as 11111111-2222-3333-4444-555555555555", tenant))
		}
	}
	return faults
}

func (i *Issuer) checkKey() error {
	if i.JWKSURL != "" {
		return mentionf("given beside %s; keep one of them: a fixed key, or keys that are fetched", settingName("jwks_url"))
	}
	_, err := jwks.ParsePEM([]byte(i.JWTKey))
	return err
}

// checkExact finds entries that no claim can match, which look like a protection,
// or a permission, that is not there.
func checkExact(entries []string) []error {
	var faults []error
	for _, entry := range entries {
		switch {
		case entry == "":
			faults = append(faults, errors.New("an empty entry would match nothing; remove it"))
		case strings.Contains(entry, "*"):
			faults = append(faults, fmt.Errorf("%q would match nothing, since it is compared exactly; write each value out", entry))
		case strings.ContainsFunc(entry, isBlank):
			faults = append(faults, fmt.Errorf("%q would match nothing; remove the white space", entry))
		}
	}
	return faults
}

// checkOrigins checks the authorized parties of Clerk, which are the origins of
// pages (RFC 6454, section 7).
func (i *Issuer) checkOrigins() []error {
	var faults []error
	for _, party := range i.AuthorizedParties {
		if i.isClerk() && strings.Contains(party, "://") && !strings.Contains(party, "*") {
			if err := transport.CheckOrigin(party); err != nil {
				faults = append(faults, fmt.Errorf("%q would match nothing, since azp is an origin: %w", party, err))
			}
		}
	}
	return faults
}

// checkAudience keeps a service from accepting tokens made for any other.
func (i *Issuer) checkAudience() error {
	if !i.anyAudience() || i.AllowAnyAudience || i.AcceptsAnyAudience() {
		return nil
	}
	return mentionf("neither %s nor %s is given, so a token made for any other service would be accepted here; give one of them, or set %s",
		settingName("audiences"), settingName("authorized_parties"), settingName("allow_any_audience"))
}

func (i *Issuer) anyAudience() bool {
	return len(i.Audiences) == 0 && len(i.AuthorizedParties) == 0
}

// AcceptsAnyAudience reports whether any audience is accepted without a setting that says so:
// from an issuer for development, on plain http and loopback.
func (i *Issuer) AcceptsAnyAudience() bool {
	u, err := url.Parse(i.URL)
	return err == nil && u.Scheme == "http" && loopback.Host(u.Hostname()) && i.anyAudience() && !i.AllowAnyAudience
}
