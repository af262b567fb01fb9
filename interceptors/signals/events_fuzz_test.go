package signals_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// fastKey signs much faster than RSA.
var fastKey = sync.OnceValue(func() *authtest.Key { return authtest.NewKey("EdDSA") })

func newFastKit(t testing.TB) *eventKit {
	t.Helper()
	return newEventKit(t, func(c *signals.SecurityEventsConfig) {
		keys, err := jwks.ParsePEM(fastKey().PublicPEM())
		if err != nil {
			t.Fatal(err)
		}
		c.Keys, c.CredentialTypes, c.CriticalMembers = keys, []string{"password"}, []string{"tenant"}
	})
}

// FuzzEventClaims has a transmitter sign whatever it is given. It can end only what belongs
// to the issuer that it may speak of, and nothing that is issued after now.
func FuzzEventClaims(f *testing.F) {
	for _, c := range []object{
		claims(opaqueSession, caep+"session-revoked", happened),
		claims(complexOf(object{"session": opaqueSession, "user": issSubUser, "tenant": opaqueTenant}), caep+"session-revoked", happened),
		claims(object{"format": "aliases", "identifiers": []any{emailUser, issSubUser}}, risc+"account-purged", object{}),
		claims(object{"format": "jwt_id", "iss": transmitterURL, "jti": "1"}, caep+"session-revoked", object{"event_timestamp": 1e300}),
		claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "update"}),
		claims(nil, risc+"account-disabled", object{"subject": object{"subject_type": "iss-sub", "iss": transmitterURL, "sub": "1"}}),
		claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"stream-updated", object{"status": "paused"}),
	} {
		f.Add(string(mustJSON(c)))
	}
	f.Add(`{"iss":"` + transmitterURL + `","jti":"1","iat":-1,"aud":[[]],"events":{"":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		kit := newFastKit(t) // it remembers what it has taken
		answer := kit.push(t, fastKey().Sign(eventHeader("EdDSA"), []byte(text)))
		if answer.status != http.StatusAccepted && answer.status != http.StatusBadRequest {
			t.Errorf("answered %+v", answer)
		}
		for _, message := range kit.sink.taken() {
			if answer.status != http.StatusAccepted || len(message.Revocations) == 0 {
				t.Errorf("answered %+v to %+v", answer, message)
			}
			if err := revocation.New(revocation.Config{}).Add(message.Revocations...); err != nil {
				t.Error(err)
			}
			for _, r := range message.Revocations {
				if r.Issuer != transmitterURL || r.Before.After(eventNow.Add(5*time.Minute+time.Second)) {
					t.Errorf("revoked %+v", r)
				}
			}
		}
	})
}

// FuzzPushedEvent sends what nobody has signed.
func FuzzPushedEvent(f *testing.F) {
	signed := fastKey().Sign(eventHeader("EdDSA"), mustJSON(claims(issSubUser, caep+"session-revoked", happened)))
	f.Add(signed[:len(signed)-10])
	f.Add("..")
	f.Add(strings.Repeat(".", 1000))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	kit := newFastKit(f)
	f.Fuzz(func(t *testing.T, body string) {
		if body == signed {
			return
		}
		if answer := kit.push(t, body); answer.status != http.StatusBadRequest && answer.status != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %+v", answer)
		}
	})
}

func TestAThousandEventsThatWereChangedOnTheWay(t *testing.T) {
	t.Parallel()
	const text = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.{}\x00\xff "
	kit := newFastKit(t)
	signed := fastKey().Sign(eventHeader("EdDSA"), mustJSON(claims(issSubUser, caep+"session-revoked", happened)))
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		changed := signed
		for changed == signed {
			at, c := random.IntN(len(signed)), text[random.IntN(len(text))]
			switch random.IntN(4) {
			case 0:
				changed = signed[:at] + string(rune(c)) + signed[at+1:]
			case 1:
				changed = signed[:at] + signed[min(at+1+random.IntN(40), len(signed)):]
			case 2:
				changed = signed[:at] + strings.Repeat(string(rune(c)), random.IntN(2000)) + signed[at:]
			case 3:
				changed = signed[at:] + signed[:at]
			}
		}
		if answer := kit.push(t, changed); answer.status != http.StatusBadRequest {
			t.Fatalf("answered %+v to %q", answer, changed)
		}
	}
	if got := kit.receiver.Status(); got.Refused != 1000 || kit.sink.taken() != nil {
		t.Errorf("Status = %+v, revoked %+v", got, kit.sink.taken())
	}
}
