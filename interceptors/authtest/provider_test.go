package authtest_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// There is a token of a user and of a machine for every profile whose provider
// has such, and each is taken for what it is.
func TestTokensOfEveryProfile(t *testing.T) {
	t.Parallel()
	userKinds := map[string]auth.TokenKind{
		"clerk": auth.KindSession, "supabase": auth.KindSession, "workos": auth.KindSession,
		"dex": auth.KindID, "gitlab": auth.KindID, "google": auth.KindID,
		"github-actions": 0, "kubernetes": 0, "spiffe": 0, // have no users
	}
	subjects := map[string]string{
		"auth0": "job@clients", "clerk": "mch_job", "kubernetes": "system:serviceaccount:prod:api",
		"spiffe": "spiffe://example.org/api", "workos": "client_job",
	}
	key := authtest.NewKey("RS256")
	for _, profile := range token.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			t.Parallel()
			url := "https://issuer.example.com"
			if profile.Name == "spiffe" {
				url = "spiffe://example.org"
			}
			issuer := authtest.New(url, authtest.WithNow(fixedNow))
			issuer.Publish(key)
			keys, err := jwks.ParsePEM(issuer.PublicPEM())
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := token.New(token.Config{Now: fixedNow, Issuers: []token.Issuer{{
				URL: url, Profile: profile, Keys: keys, AllowAnyAudience: true,
				Kinds: []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			check := func(raw string, want auth.TokenKind) {
				t.Helper()
				if id, err := verifier.Verify(t.Context(), raw); err != nil || id.Kind != want {
					t.Errorf("%+v, %v; want a token of kind %v", id, err, want)
				}
			}
			want, exception := userKinds[profile.Name]
			if !exception {
				want = auth.KindOAuth
			}
			if want != 0 {
				check(issuer.UserOf(profile.Name, "user_ada"), want)
			}
			subject := subjects[profile.Name]
			if subject == "" {
				subject = "job"
			}
			check(issuer.MachineOf(profile.Name, subject), auth.KindMachine)
		})
	}
}

func TestTokensOfAnUnknownProfilePanic(t *testing.T) {
	t.Parallel()
	issuer := authtest.New("https://issuer.example.com")
	for name, mint := range map[string]func(){
		"a user of an unknown profile":    func() { issuer.UserOf("unknown", "user_ada") },
		"a machine of an unknown profile": func() { issuer.MachineOf("unknown", "job") },
		"a user of a cluster":             func() { issuer.UserOf("kubernetes", "user_ada") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mint()
		}()
	}
}
