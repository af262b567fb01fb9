package doctor

import (
	"os"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/token"
)

// TestWhatIsToldIsThatOfTheDocument compares the table with that of docs/signals.md.
func TestWhatIsToldIsThatOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/signals.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| provider | by | sign-out | ban | deletion | password change | expiry of the session |\n|---|---|---|---|---|---|---|\n")
	profiles := map[string][]string{
		"Clerk": {"clerk"}, "Auth0": {"auth0"}, "Keycloak": {"keycloak"}, "ZITADEL": {"zitadel"}, "Ory Hydra": {"hydra"}, "dex": {"dex"},
		"WorkOS": {"workos"}, "Supabase": {"supabase"}, "Okta": {"okta"}, "Microsoft Entra, Amazon Cognito": {"entra", "cognito"},
	}
	seen := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		for _, profile := range profiles[cells[0]] {
			if _, err := token.ProfileNamed(profile); err != nil {
				t.Error(err)
			}
			seen++
			for n, cell := range cells[2:] {
				want := tellsIt
				switch {
				case strings.HasPrefix(cell, "–"):
					want = tellsNot
				case cell == "not known":
					want = notKnown
				}
				if got := toldBy[profile].events[n]; got != want {
					t.Errorf("%s, %s: %d; the document says %q", profile, endings[n], got, cell)
				}
			}
		}
	}
	if seen != len(toldBy) {
		t.Errorf("the document has %d of %d profiles", seen, len(toldBy))
	}
}
