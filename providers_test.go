package ostiary_test

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// allKinds are the kinds of token, those of users first.
var allKinds = []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID}

// workloads are the profiles that accept no tokens of users by default.
var workloads = []string{"github-actions", "gitlab", "kubernetes", "spiffe"}

// shownIssuer returns the issuer that a Config of docs/providers.md describes.
func shownIssuer(t *testing.T, shown shownProvider) token.Issuer {
	t.Helper()
	if len(shown.config.Issuers) > 0 {
		return shown.config.Issuers[0]
	}
	profile := token.ProfileOf(shown.config.Issuer)
	if shown.config.Profile != "" {
		var err error
		if profile, err = token.ProfileNamed(shown.config.Profile); err != nil {
			t.Fatal(err)
		}
	}
	return token.Issuer{
		URL: shown.config.Issuer, Profile: profile, Audiences: shown.config.Audiences,
		AuthorizedParties: shown.config.AuthorizedParties, AllowAnyAudience: shown.config.AllowAnyAudience,
		FirstPartyClients: shown.config.FirstPartyClients, Kinds: shown.config.Kinds,
	}
}

// mint returns a token of the provider for whom the issuer's settings name.
func mint(provider string, issuer *authtest.Issuer, trusted token.Issuer) string {
	var edits []authtest.Edit
	if len(trusted.Audiences) > 0 && provider != "zitadel" { // which names it beside the client
		edits = append(edits, authtest.With("aud", trusted.Audiences[0]))
	}
	if provider == "clerk" {
		edits = append(edits, authtest.With("azp", trusted.AuthorizedParties[0]))
	}
	subject := map[string]string{"kubernetes": "system:serviceaccount:prod:api", "spiffe": "spiffe://example.org/api"}[provider]
	if slices.Contains(workloads, provider) {
		return issuer.MachineOf(provider, cmp.Or(subject, "job"), edits...)
	}
	return issuer.UserOf(provider, "ada", edits...)
}

// TestTheProvidersShownAcceptTheirTokens gives a guard what docs/providers.md shows for
// each profile, and a token of that provider.
func TestTheProvidersShownAcceptTheirTokens(t *testing.T) {
	t.Parallel()
	page := documents(t)["docs/providers.md"]
	shown := shownProviders(new(jwks.Static))
	if len(shown) != len(token.Profiles()) {
		t.Errorf("%d profiles are shown; there are %d", len(shown), len(token.Profiles()))
	}
	for i, profile := range token.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			t.Parallel()
			trusted := shownIssuer(t, shown[i])
			if trusted.Profile.Name != profile.Name || !strings.Contains(page, "\n## "+profile.Name+"\n") {
				t.Fatalf("shown is profile %s under the name of %s", trusted.Profile.Name, profile.Name)
			}
			guard, issuer := authtest.GuardFor(t, trusted)
			text := mint(profile.Name, issuer, trusted)
			call := auth.Call{Header: http.Header{"Authorization": {"Bearer " + text}}}
			if _, err := guard.Authenticator.Authenticate(t.Context(), call); err != nil {
				t.Errorf("a token of %s is refused: %v", profile.Name, err)
			}
		})
	}
}

// TestTheKeysShownCanBeFetched has jwks take the settings; nothing is fetched.
func TestTheKeysShownCanBeFetched(t *testing.T) {
	t.Parallel()
	for _, shown := range shownProviders(new(jwks.Static)) {
		if shown.remote.URL == "" {
			continue
		}
		shown.remote.CAFile, shown.remote.TokenFile = "", "" // which only a pod has
		shown.remote.Transport = offline{}
		keys, err := jwks.NewRemote(shown.remote)
		if err != nil {
			t.Errorf("%s: %v", shown.profile, err)
			continue
		}
		_ = keys.Close()
	}
}

// offline reaches nobody.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("offline") }

// TestTheTableOfProvidersIsTrue keeps the table of docs/providers.md equal to what the
// profiles say, and to what the tokens of authtest have.
func TestTheTableOfProvidersIsTrue(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| profile | kinds | organization | roles | permissions | scopes | verification | session |\n|---|---|---|---|---|---|---|---|\n")
	yes := map[bool]string{true: "yes"}
	for i, profile := range token.Profiles() {
		all := token.Issuer{URL: "https://issuer.example.com", Profile: profile, Kinds: allKinds}
		byDefault := token.Issuer{URL: all.URL, Profile: profile, Audiences: []string{"any"}}
		can, accepted := all.Capabilities(), byDefault.Capabilities()
		if isClerk := profile.Name == "clerk"; can.Features != isClerk || can.Plans != isClerk {
			t.Errorf("%s has features: %t, plans: %t; the page says that Clerk alone has them", profile.Name, can.Features, can.Plans)
		}
		var kinds []string
		for _, kind := range can.Kinds {
			name := kind.String()
			if slices.Contains(accepted.Kinds, kind) {
				name = "**" + name + "**"
			}
			kinds = append(kinds, name)
		}
		trusted := shownIssuer(t, shownProviders(new(jwks.Static))[i])
		guard, issuer := authtest.GuardFor(t, trusted)
		text := mint(profile.Name, issuer, trusted)
		id, err := guard.Authenticator.Authenticate(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + text}}})
		if err != nil {
			t.Errorf("%s: %v", profile.Name, err)
			continue
		}
		if profile.NamesSession() != (id.SessionID != "") {
			t.Errorf("%s: NamesSession = %t, and a token has the session %q", profile.Name, profile.NamesSession(), id.SessionID)
		}
		row := []string{
			"[" + profile.Name + "](#" + profile.Name + ")", strings.Join(kinds, ", "), yes[can.Organization], yes[can.Roles],
			yes[can.Permissions], yes[can.Scopes], yes[accepted.Verification], yes[id.SessionID != ""],
		}
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	if !strings.Contains(documents(t)["docs/providers.md"], table.String()) {
		t.Errorf("docs/providers.md does not have this table:\n%s", table.String())
	}
}
