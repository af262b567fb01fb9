package devissuer_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/devissuer"
)

func TestPersonasAreListed(t *testing.T) {
	t.Parallel()
	url := start(t)
	status, body := call(t, newRequest(t, http.MethodGet, url+"/dev/personas", ""))
	var list []devissuer.Persona
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if p.Title == "" || p.Description == "" {
			t.Errorf("%s says too little of itself: %+v", p.Name, p)
		}
	}
	if got := strings.Join(names, " "); got != "ada ben cleo olga robo" {
		t.Errorf("personas %s", got)
	}
}

func TestPersonas(t *testing.T) {
	t.Parallel()
	url := start(t)
	for _, test := range []struct {
		name, as string
		lifetime time.Duration
		claims   map[string]any // nil for one that is absent
	}{
		{
			name:     "ada is an administrator",
			as:       "ada",
			lifetime: time.Minute,
			claims: map[string]any{
				"sub": "user_ada", "v": 2.0, "fea": "o:invoices",
				"o": map[string]any{"id": "org_acme", "slg": "acme", "rol": "admin", "per": "read,write,delete", "fpm": "7"},
			},
		},
		{
			name:     "ben may only read",
			as:       "ben",
			lifetime: time.Minute,
			claims: map[string]any{
				"sub": "user_ben", "v": 2.0, "fea": "o:invoices",
				"o": map[string]any{"id": "org_acme", "slg": "acme", "rol": "member", "per": "read", "fpm": "1"},
			},
		},
		{
			name:     "cleo is in no organization",
			as:       "cleo",
			lifetime: time.Minute,
			claims:   map[string]any{"sub": "user_cleo", "v": 2.0, "o": nil, "fea": nil},
		},
		{
			name:     "robo is a machine and has no session",
			as:       "robo",
			lifetime: time.Hour,
			claims:   map[string]any{"sub": "mch_robo", "sid": nil, "v": nil, "o": nil},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			first := read(t, url, mint(t, url, devissuer.Request{As: test.as}))
			second := read(t, url, mint(t, url, devissuer.Request{As: test.as}))
			hasClaims(t, first, test.claims)
			if got := unix(first["exp"]).Sub(unix(first["iat"])); got != test.lifetime {
				t.Errorf("lives %s, want %s", got, test.lifetime)
			}
			if first["sid"] != second["sid"] {
				t.Errorf("the session changed from %v to %v", first["sid"], second["sid"])
			}
			if first["jti"] == second["jti"] {
				t.Errorf("two tokens have the ID %v", first["jti"])
			}
		})
	}
}

func TestPersonasHaveSessionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	url := start(t)
	seen := map[any]string{}
	for _, as := range []string{"ada", "ben", "cleo"} {
		sid := read(t, url, mint(t, url, devissuer.Request{As: as}))["sid"]
		if id, ok := sid.(string); !ok || !strings.HasPrefix(id, "sess_") || seen[sid] != "" {
			t.Errorf("%s has the session %v, as has %q", as, sid, seen[sid])
		}
		seen[sid] = as
	}
}

func TestAPersonaCanSignInAnew(t *testing.T) {
	t.Parallel()
	url := start(t)
	sessionOf := func(request devissuer.Request) any { return read(t, url, mint(t, url, request))["sid"] }
	first := sessionOf(devissuer.Request{As: "ada"})
	ben := sessionOf(devissuer.Request{As: "ben"})
	second := sessionOf(devissuer.Request{As: "ada", NewSession: true})
	if second == first || second == nil {
		t.Errorf("session %v after %v; want a new one", second, first)
	}
	if again := sessionOf(devissuer.Request{As: "ada"}); again != second {
		t.Errorf("session %v after %v; want the same", again, second)
	}
	if again := sessionOf(devissuer.Request{As: "ben"}); again != ben {
		t.Errorf("ben has session %v after %v", again, ben)
	}
}

func TestClaimsAndLifetimeAreTheCallersChoice(t *testing.T) {
	t.Parallel()
	url := start(t)
	before := time.Now().Truncate(time.Second)
	status, body := call(t, newRequest(t, http.MethodPost, url+"/dev/token",
		`{"as":"ada","ttl":"1h","claims":{"azp":"http://localhost:3000","fva":null,"fea":"o:export","big":9007199254740993}}`))
	var answer struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	claims := read(t, url, answer.Token)
	hasClaims(t, claims, map[string]any{"azp": "http://localhost:3000", "fva": nil, "fea": "o:export", "sub": "user_ada"})
	if got := unix(claims["exp"]); !got.Equal(answer.ExpiresAt) {
		t.Errorf("exp %s, but expires_at %s", got, answer.ExpiresAt)
	}
	if left := answer.ExpiresAt.Sub(before); left < time.Hour || left > time.Hour+time.Minute {
		t.Errorf("expires in %s, want an hour", left)
	}
}

func TestIssuerURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"http://localhost:8080", "http://127.0.0.1:8080", "https://[::1]:8443", "http://localhost"} {
		if _, err := devissuer.New(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "localhost:8080", "ftp://localhost", "http://0.0.0.0:8080", "https://clerk.example.com", "http://localhost.example.com",
		"http://localhost:8080/", "http://localhost:8080/realm", "http://localhost:8080?x", "http://ada@localhost:8080",
	} {
		_, err := devissuer.New(bad)
		want := fmt.Sprintf("development issuer %q: write it like http://localhost:8080, with a loopback host and nothing behind the port", bad)
		if err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", bad, err, want)
		}
	}
}

func mint(t *testing.T, url string, request devissuer.Request) string {
	t.Helper()
	token, err := devissuer.Mint(t.Context(), url, request)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func hasClaims(t *testing.T, got, want map[string]any) {
	t.Helper()
	for claim, value := range want {
		if fmt.Sprint(got[claim]) != fmt.Sprint(value) {
			t.Errorf("%s = %v, want %v", claim, got[claim], value)
		}
	}
}

// unix reads a NumericDate.
func unix(claim any) time.Time { return time.Unix(int64(claim.(float64)), 0) }
