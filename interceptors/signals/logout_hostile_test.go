package signals_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A thousand logout tokens, each of them wrong in one way at least: none is accepted, and
// none is answered as if the fault were ours.
func TestAThousandHostileLogouts(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(issuerURL)
	random := rand.New(rand.NewPCG(3, 4))
	good := "logout_token=" + logoutToken(issuer)
	others := []string{
		issuer.OIDC("user_ada", authtest.With("aud", "web"), authtest.With("sid", "sess_1")),
		logoutToken(issuer, authtest.SignedBy(strangersKey())),
		logoutToken(newIssuer("https://else.example.com")),
	}
	claims := map[string]any{
		"iss": issuerURL, "sub": "user_ada", "sid": "sess_1", "aud": "web", "jti": "msg_1", "iat": now.Unix(), "exp": now.Unix() + 100,
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	odd := []string{`{}`, `[]`, `[[]]`, `""`, `0`, `-1`, `1e300`, `true`, `"\u0000"`, `{"` + logoutEvent + `":1}`, `"` + strings.Repeat("x", 2000) + `"`, `["WEB"]`}
	attacks := map[string]func() string{
		"a bit": func() string {
			b := []byte(good)
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			return string(b)
		},
		"the end is missing":   func() string { return good[:random.IntN(len(good))] },
		"the start is missing": func() string { return good[1+random.IntN(len(good)-1):] },
		"something behind":     func() string { return good + strings.ReplaceAll(string(rune(1+random.IntN(300))), "&", "%") + "x" }, // & would begin another field
		"two tokens":           func() string { return good + "&logout_token=" + others[random.IntN(len(others))] },
		"parts of two tokens": func() string {
			a, b := strings.Split(strings.TrimPrefix(good, "logout_token="), "."), strings.Split(others[2*random.IntN(2)], ".")
			a[1] = b[1]
			return "logout_token=" + strings.Join(a, ".")
		},
		"another token": func() string { return "logout_token=" + others[random.IntN(len(others))] },
		"an odd header": func() string {
			member := []string{"typ", "alg", "kid", "crit", "b64", "cty", "zip"}[random.IntN(7)]
			value := []any{1, []string{"x"}, "none", "at+jwt", "../../etc/passwd", strings.Repeat("k", 5000)}[random.IntN(6)]
			return "logout_token=" + logoutToken(issuer, authtest.Header(member, value))
		},
		"an odd claim, signed": func() string {
			payload := maps.Clone(claims)
			payload[[]string{"iss", "aud", "jti", "iat", "exp", "sub", "sid", "events", "nonce"}[random.IntN(9)]] = json.RawMessage(odd[random.IntN(len(odd))])
			text, err := json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			return "logout_token=" + issuer.Sign(fmt.Appendf(nil, `{"alg":"RS256","kid":%q}`, sharedKey().ID()), text)
		},
		"deep": func() string {
			depth := 20_000 + random.IntN(1000)
			return "logout_token=" + issuer.Sign([]byte(`{"alg":"RS256"}`), []byte(`{"iss":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`))
		},
		"dots": func() string { return "logout_token=" + strings.Repeat(".", random.IntN(200_000)) },
	}
	receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
	sent := 0
	for sent < 1000 {
		for name, attack := range attacks {
			body := attack()
			w := post(t, receiver, form, body)
			if w.Code != http.StatusBadRequest || len(sink.messages) > 0 {
				t.Fatalf("%s: answered %d, %s; stored %+v\n%.500q", name, w.Code, w.Body, sink.messages, body)
			}
			sent++
		}
	}
	if got := receiver.Status(); got.Refused != int64(sent) || got.Failed != 0 {
		t.Errorf("Status = %+v; want %d refused", got, sent)
	}
}
