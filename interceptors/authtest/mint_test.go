package authtest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com", authtest.WithNow(fixedNow))
	for _, test := range []struct {
		name     string
		token    string
		header   string // its members
		claims   string
		typ, cat any
		prefixes map[string]string
		lifetime time.Duration
	}{
		{
			name:     "a session token is of version 2 and lives a minute",
			token:    iss.Session("user_ada"),
			header:   "alg cat kid typ",
			claims:   "exp fva iat iss jti nbf sid sub v",
			typ:      "JWT",
			cat:      "cl_B7d4PD111AAA",
			prefixes: map[string]string{"sub": "user_ada", "sid": "sess_"},
			lifetime: time.Minute,
		},
		{
			name:     "a session token of version 1 has no v",
			token:    iss.SessionV1("user_ada"),
			header:   "alg cat kid typ",
			claims:   "exp fva iat iss jti nbf sid sub",
			typ:      "JWT",
			cat:      "cl_B7d4PD111AAA",
			prefixes: map[string]string{"sid": "sess_"},
			lifetime: time.Minute,
		},
		{
			name:     "a template's token has no session",
			token:    iss.Template("user_ada", authtest.With("aud", "billing")),
			header:   "alg cat kid typ",
			claims:   "aud exp iat iss jti nbf sub",
			typ:      "JWT",
			cat:      "cl_B7d4PD222AAA",
			prefixes: map[string]string{"aud": "billing"},
			lifetime: time.Minute,
		},
		{
			name:     "an OAuth access token is known by its typ",
			token:    iss.OAuth("user_ada"),
			header:   "alg kid typ",
			claims:   "client_id exp iat iss jti nbf scope sub",
			typ:      "at+jwt",
			prefixes: map[string]string{"jti": "oat_", "client_id": "client_"},
			lifetime: 24 * time.Hour,
		},
		{
			name:     "a machine's token is known by its subject",
			token:    iss.Machine("mch_robo"),
			header:   "alg cat kid typ",
			claims:   "exp iat iss jti nbf sub",
			typ:      "JWT",
			cat:      "cl_B7d4PD333AAA",
			prefixes: map[string]string{"sub": "mch_robo", "jti": "mt_"},
			lifetime: time.Hour,
		},
		{
			name:     "a plain OpenID Connect token has nothing of Clerk's",
			token:    iss.OIDC("ada"),
			header:   "alg kid typ",
			claims:   "exp iat iss jti nbf sub",
			typ:      "JWT",
			prefixes: map[string]string{"sub": "ada"},
			lifetime: time.Minute,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header, claims := decode(t, test.token)
			if got := names(header); got != test.header {
				t.Errorf("header has %s, want %s", got, test.header)
			}
			if got := names(claims); got != test.claims {
				t.Errorf("claims are %s, want %s", got, test.claims)
			}
			if header["typ"] != test.typ || header["cat"] != test.cat || header["alg"] != "RS256" || header["kid"] != iss.Key().ID() {
				t.Errorf("header %v", header)
			}
			for claim, prefix := range test.prefixes {
				if got, _ := claims[claim].(string); !strings.HasPrefix(got, prefix) {
					t.Errorf("%s = %q, want %s…", claim, got, prefix)
				}
			}
			unix := float64(now.Unix())
			if claims["iss"] != "https://clerk.example.com" || claims["iat"] != unix || claims["nbf"] != unix-10 ||
				claims["exp"] != unix+test.lifetime.Seconds() {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func TestTokensVerifyAgainstTheServedKeys(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	algorithms := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	tokens := make(map[string]string, len(algorithms))
	for _, algorithm := range algorithms {
		tokens[algorithm] = iss.Session("user_ada", authtest.Algorithm(algorithm))
	}
	set := keySet(t, iss.JWKSURL())
	if set.Len() != len(algorithms) {
		t.Errorf("%d keys are published, want one for each algorithm", set.Len())
	}
	for algorithm, token := range tokens {
		parsed, err := jwt.Parse([]byte(token), jwt.WithKeySet(set), jwt.WithIssuer(iss.URL()))
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		if subject, _ := parsed.Subject(); subject != "user_ada" {
			t.Errorf("%s: subject %q", algorithm, subject)
		}
		if header, _ := decode(t, token); header["alg"] != algorithm {
			t.Errorf("alg %v, want %s", header["alg"], algorithm)
		}
	}
}

func TestEveryTokenIsUnique(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com", authtest.WithNow(fixedNow))
	_, first := decode(t, iss.Session("user_ada"))
	_, second := decode(t, iss.Session("user_ada"))
	for _, claim := range []string{"jti", "sid"} {
		if first[claim] == second[claim] {
			t.Errorf("both tokens have the %s %v", claim, first[claim])
		}
	}
}

func TestSignLeavesTheBytesAlone(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	header := `{"alg":"RS256","kid":"` + iss.Key().ID() + `","kid":"` + iss.Key().ID() + `"}`
	payload := "{\"sub\":\"user_ada\"} trailing \xff"
	token := iss.Sign([]byte(header), []byte(payload))
	if want := encode(header) + "." + encode(payload) + "."; !strings.HasPrefix(token, want) {
		t.Errorf("token %s, want %s…", token, want)
	}
	if err := verify(token, keySet(t, iss.JWKSURL())); err != nil {
		t.Errorf("the signature is not valid over the bytes: %v", err)
	}
}

func names(members map[string]any) string {
	return strings.Join(slices.Sorted(maps.Keys(members)), " ")
}
