package token_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Every setting that would match nothing, or mean something else than it says, is
// a fault, wherever in its list it stands.
func TestNewRefusesSettings(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	keys := keysOf(t, issuer)
	tests := map[string]struct {
		edit func(*token.Issuer)
		want string
	}{
		"an algorithm that is none, behind a good one": {func(i *token.Issuer) { i.Algorithms = []string{"RS256", "none"} }, `algorithm "none" is not supported`},
		"a MAC behind good ones":                       {func(i *token.Issuer) { i.Algorithms = []string{"RS256", "ES256", "HS256"} }, `algorithm "HS256" is not supported`},
		"an empty algorithm":                           {func(i *token.Issuer) { i.Algorithms = []string{"RS256", ""} }, `algorithm "" is not supported`},
		"the zero kind behind a good one":              {func(i *token.Issuer) { i.Kinds = []auth.TokenKind{auth.KindSession, 0} }, "the zero Kind"},
		"an empty audience behind a good one":          {func(i *token.Issuer) { i.Audiences = []string{"api", ""} }, "an empty audience"},
		"an empty party behind a good one":             {func(i *token.Issuer) { i.AuthorizedParties = []string{app, ""} }, "an empty audience, authorized party"},
		"an empty client behind a good one":            {func(i *token.Issuer) { i.FirstPartyClients = []string{"web", ""} }, "an empty audience, authorized party or client"},
		"an audience that is a pattern":                {func(i *token.Issuer) { i.Audiences = []string{"api", "https://*.example.com"} }, `"https://*.example.com" would match nothing`},
		"a party that is a pattern":                    {func(i *token.Issuer) { i.AuthorizedParties = []string{app, "*"} }, `"*" would match nothing`},
		"a party with a slash behind":                  {func(i *token.Issuer) { i.AuthorizedParties = []string{app, app + "/"} }, "azp is an origin"},
		"a party with a path":                          {func(i *token.Issuer) { i.AuthorizedParties = []string{app + "/login"} }, "azp is an origin"},
		"a party with a query":                         {func(i *token.Issuer) { i.AuthorizedParties = []string{app + "?x"} }, "azp is an origin"},
		"a party with a scheme in capitals":            {func(i *token.Issuer) { i.AuthorizedParties = []string{"HTTPS://app.example.com"} }, "azp is an origin"},
		"a party with white space":                     {func(i *token.Issuer) { i.AuthorizedParties = []string{app, " " + app} }, "remove the white space"},
		"a party with a line break":                    {func(i *token.Issuer) { i.AuthorizedParties = []string{"a\nb"} }, "or control character"},
		"an issuer without a URL":                      {func(i *token.Issuer) { i.URL = "" }, "URL must be the exact iss claim"},
		"an issuer whose host is half":                 {func(i *token.Issuer) { i.URL = "https://[::1" }, "is not a URL with a host"},
		"an issuer without a host":                     {func(i *token.Issuer) { i.URL = "https:///path" }, "is not a URL with a host"},
		"an issuer with a port and no host":            {func(i *token.Issuer) { i.URL = "https://:8443" }, "is not a URL with a host"},
		"an http issuer without a host":                {func(i *token.Issuer) { i.URL = "http://" }, "is not a URL with a host"},
		"an issuer with a space":                       {func(i *token.Issuer) { i.URL = issuerURL + " " }, "a space or a control character"},
		"an issuer with a line break":                  {func(i *token.Issuer) { i.URL = issuerURL + "\n" }, "a space or a control character"},
		"an issuer that is a pattern":                  {func(i *token.Issuer) { i.URL = "https://*.example.com" }, "is a pattern"},
		"an issuer with another placeholder":           {func(i *token.Issuer) { i.URL = "https://example.com/{tenant}" }, "is a pattern"},
		"an alias without a host":                      {func(i *token.Issuer) { i.Aliases = []string{"https://ok.example.com", "https:///x"} }, "is not a URL with a host"},
		"an empty alias":                               {func(i *token.Issuer) { i.Aliases = []string{""} }, "URL must be the exact iss claim"},
		"a tenant's place and no tenants":              {func(i *token.Issuer) { i.URL = "https://login.example.com/{tenantid}/v2.0" }, "list Tenants"},
		"tenants and no place for them":                {func(i *token.Issuer) { i.Tenants = []string{"t1"} }, "URL has no {tenantid}"},
		"a tenant for everybody": {func(i *token.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"t1", "common"}
		}, `tenant "common" stands for many`},
		"an empty tenant": {func(i *token.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"t1", ""}
		}, `tenant "" is not the id`},
		"a tenant with a path": {func(i *token.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"t1/x"}
		}, `tenant "t1/x" is not the id`},
		"a tenant twice": {func(i *token.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"t1", "t1"}
		}, `issuer "https://login.example.com/t1/v2.0": given twice`},
		"a trust domain without its profile":      {func(i *token.Issuer) { i.URL = "spiffe://example.org" }, "needs profile spiffe"},
		"a profile for trust domains without one": {func(i *token.Issuer) { i.Profile = token.SPIFFE() }, "wants the trust domain"},
		"a trust domain with a path":              {func(i *token.Issuer) { i.URL, i.Profile = "spiffe://example.org/x", token.SPIFFE() }, "wants the trust domain"},
		"a trust domain without a name":           {func(i *token.Issuer) { i.URL, i.Profile = "spiffe://", token.SPIFFE() }, "wants the trust domain"},
		"a negative limit":                        {func(i *token.Issuer) { i.MaxTokenBytes = -1 }, "MaxTokenBytes is negative"},
		"more skew than there may be":             {func(i *token.Issuer) { i.Skew = token.MaxSkew + 1 }, "Skew is over 10m0s"},
		"a profile with an empty path of groups":  {func(i *token.Issuer) { i.Profile = token.Profile{Name: "own", Groups: []token.ClaimPath{{"a"}, {}}} }, "the Profile has an empty Path"},
		"nothing to judge tokens by":              {func(i *token.Issuer) { i.AllowAnyAudience = false }, "give Audiences or AuthorizedParties"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := token.Issuer{URL: issuerURL, Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true}
			tt.edit(&one)
			if _, err := token.New(token.Config{Issuers: []token.Issuer{one}}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v; want %q", err, tt.want)
			}
		})
	}
}

// Unusual settings that can match are no faults.
func TestNewAcceptsSettings(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, newIssuer())
	for name, one := range map[string]token.Issuer{
		"an issuer that is no URL":                {URL: "accounts.example.com"},
		"an issuer on http, which is a name":      {URL: "http://fs.example.net/adfs/services/trust"},
		"an issuer with a slash behind":           {URL: "https://t.eu.auth0.com/"},
		"an issuer with an address":               {URL: "https://[::1]:8443"},
		"the most skew that there may be":         {URL: issuerURL, Skew: token.MaxSkew},
		"a client that is a URL":                  {URL: issuerURL, AuthorizedParties: []string{"https://app.example.com/client.json"}},
		"an origin of an extension":               {URL: issuerURL, Profile: token.Clerk(), AuthorizedParties: []string{"chrome-extension://abc", app}},
		"a party at Clerk that is no origin":      {URL: issuerURL, Profile: token.Clerk(), AuthorizedParties: []string{"a/b"}},
		"an alias that is the issuer's own":       {URL: issuerURL, Aliases: []string{issuerURL}},
		"either spelling of Google as the issuer": {URL: "accounts.google.com", Profile: token.Google()},
	} {
		one.Keys, one.AllowAnyAudience = keys, true
		if _, err := token.New(token.Config{Issuers: []token.Issuer{one}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two issuers never share a spelling of iss.
func TestNewRefusesAnAliasOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, newIssuer())
	one := token.Issuer{URL: "https://one.example", Keys: keys, AllowAnyAudience: true}
	two := token.Issuer{URL: "https://two.example", Keys: keys, AllowAnyAudience: true, Aliases: []string{"https://three.example", "https://one.example"}}
	for _, issuers := range [][]token.Issuer{{one, two}, {two, one}} {
		if _, err := token.New(token.Config{Issuers: issuers}); err == nil || !strings.Contains(err.Error(), `issuer "https://one.example": given twice`) {
			t.Errorf("New: %v", err)
		}
	}
}

// The identity has the URL of the issuer, whatever the spelling in its token.
func TestAliases(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Aliases = []string{"clerk.example.com", "https://old.example.com"} })
	for _, iss := range []string{issuerURL, "clerk.example.com", "https://old.example.com"} {
		if id := expect(t, v, issuer.Session("user_ada", authtest.With("iss", iss)), pass); id.Issuer != issuerURL {
			t.Errorf("the issuer of %s is %s", iss, id.Issuer)
		}
	}
	expect(t, v, issuer.Session("user_ada", authtest.With("iss", "old.example.com")), auth.IssuerUntrusted)
}

// Each tenant is an issuer of its own, and no other tenant is trusted.
func TestTenants(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) {
		i.URL, i.Aliases = "https://login.example.com/{tenantid}/v2.0", []string{"https://sts.example.com/{tenantid}/"}
		i.Tenants, i.Profile = []string{"t1", "t2"}, token.Entra()
	})
	for iss, want := range map[string]string{
		"https://login.example.com/t1/v2.0": "https://login.example.com/t1/v2.0",
		"https://login.example.com/t2/v2.0": "https://login.example.com/t2/v2.0",
		"https://sts.example.com/t2/":       "https://login.example.com/t2/v2.0",
	} {
		if id := expect(t, v, issuer.OIDC("ada", authtest.With("iss", iss), authtest.With("scp", "a")), pass); id.Issuer != want {
			t.Errorf("the issuer of %s is %s", iss, id.Issuer)
		}
	}
	for _, iss := range []string{"https://login.example.com/t3/v2.0", "https://login.example.com/{tenantid}/v2.0", "https://login.example.com/common/v2.0"} {
		expect(t, v, issuer.OIDC("ada", authtest.With("iss", iss)), auth.IssuerUntrusted)
	}
	var urls []string
	for _, one := range v.Issuers() {
		urls = append(urls, one.URL)
	}
	if want := []string{"https://login.example.com/t1/v2.0", "https://login.example.com/t2/v2.0"}; !slices.Equal(urls, want) {
		t.Errorf("Issuers: %q, want %q", urls, want)
	}
}

// An issuer's limit is its own, although a token is read up to the largest.
func TestMaxTokenBytes(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	keys := keysOf(t, issuer)
	for name, tt := range map[string]struct {
		global  int
		issuer  token.Issuer
		largest int
	}{
		"the default":             {0, token.Issuer{}, token.DefaultMaxTokenBytes},
		"of the profile":          {0, token.Issuer{Profile: token.Entra()}, 16 << 10},
		"of the configuration":    {2000, token.Issuer{Profile: token.Entra()}, 2000},
		"of the issuer, smaller":  {4000, token.Issuer{MaxTokenBytes: 1500}, 1500},
		"of the issuer, and more": {4000, token.Issuer{MaxTokenBytes: 9000}, 9000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := tt.issuer
			one.URL, one.Keys, one.AllowAnyAudience = "https://one.example", keys, true
			v, err := token.New(token.Config{Now: clock, MaxTokenBytes: tt.global, Issuers: []token.Issuer{
				{URL: "https://other.example", Keys: keys, AllowAnyAudience: true, MaxTokenBytes: 20_000}, one,
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Issuers()[1].MaxTokenBytes; got != tt.largest {
				t.Errorf("the limit is %d, want %d", got, tt.largest)
			}
			expect(t, v, sized(t, issuer, "https://one.example", tt.largest), pass)
			expect(t, v, sized(t, issuer, "https://one.example", tt.largest+1), auth.TokenTooLarge)
			expect(t, v, sized(t, issuer, "https://other.example", 20_000), pass)
			expect(t, v, strings.Repeat("x", 20_001), auth.TokenTooLarge)
			expect(t, v, strings.Repeat("x", 20_000), auth.TokenMalformed)
		})
	}
}

// sized returns a token of exactly size bytes.
func sized(t *testing.T, issuer *authtest.Issuer, iss string, size int) string {
	t.Helper()
	const signature = 342 // of RSA with 2048 bits, in base64
	header := fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":"JWT"}`, issuer.Key().ID())
	for base64.RawURLEncoding.EncodedLen(len(header))%4 == 0 || (size-signature-2-base64.RawURLEncoding.EncodedLen(len(header)))%4 == 1 {
		header += " " // until what is left is a length that base64 has
	}
	room := base64.RawURLEncoding.DecodedLen(size - signature - 2 - base64.RawURLEncoding.EncodedLen(len(header)))
	payload := fmt.Sprintf(`{"iss":%q,"sub":"ada","scp":"a","exp":%d,"pad":"`, iss, now.Unix()+60)
	payload += strings.Repeat("x", room-len(payload)-2) + `"}`
	raw := issuer.Sign([]byte(header), []byte(payload))
	if len(raw) != size {
		t.Fatalf("the token has %d bytes, want %d", len(raw), size)
	}
	return raw
}

// The kinds of an issuer are those that it names, or its profile's.
func TestKindsInForce(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, newIssuer())
	for name, tt := range map[string]struct {
		issuer token.Issuer
		want   string
	}{
		"Clerk":                       {token.Issuer{URL: issuerURL, Profile: token.Clerk()}, "session"},
		"Clerk with an audience":      {token.Issuer{URL: issuerURL, Profile: token.Clerk(), Audiences: []string{"api"}}, "session, template"},
		"any other":                   {token.Issuer{URL: issuerURL}, "session, oauth"},
		"a profile of one's own":      {token.Issuer{URL: issuerURL, Profile: token.Profile{Name: "own"}}, "session, oauth"},
		"Google":                      {token.Issuer{URL: issuerURL, Profile: token.Google()}, "id"},
		"GitHub by any profile":       {token.Issuer{URL: "https://token.actions.githubusercontent.com"}, "machine"},
		"GitHub of an enterprise":     {token.Issuer{URL: "https://token.actions.githubusercontent.com/acme"}, "machine"},
		"what only begins like it":    {token.Issuer{URL: "https://token.actions.githubusercontent.com.example"}, "session, oauth"},
		"what is named, in its order": {token.Issuer{URL: issuerURL, Kinds: []auth.TokenKind{auth.KindID, auth.KindMachine}}, "id, machine"},
	} {
		tt.issuer.Keys, tt.issuer.AllowAnyAudience = keys, true
		v, err := token.New(token.Config{Issuers: []token.Issuer{tt.issuer}})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := v.Issuers()[0].KindNames(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// Neither the lists of a Config nor those of Issuers are shared with the verifier.
func TestIssuersIsACopy(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	v.Issuers()[0] = token.Issuer{}
	if v.Issuers()[0].URL != issuerURL {
		t.Error("what Issuers returned is the verifier's own")
	}
}

// At its limit a lifetime is accepted, whatever it is measured from.
func TestMaxLifetimeAtItsLimit(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.MaxLifetime = time.Hour })
	expect(t, v, issuer.Session("ada", authtest.ExpiresIn(time.Hour)), pass)
	expect(t, v, issuer.Session("ada", authtest.ExpiresIn(time.Hour+time.Second)), auth.TokenLifetimeTooLong)
	expect(t, v, issuer.Session("ada", authtest.ExpiresIn(time.Hour), authtest.Without("iat")), pass)
	expect(t, v, issuer.Session("ada", authtest.ExpiresIn(time.Hour+time.Second), authtest.Without("iat")), auth.TokenLifetimeTooLong)
}
