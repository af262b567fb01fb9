package signals

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A thousand messages, each of them wrong in one way at least: none is accepted, and none
// is answered as if the fault were ours.
func TestAThousandHostileMessages(t *testing.T) {
	t.Parallel()
	const target = `{"id":"sess_1","user_id":"user_ada"}`
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	forge := func(change func(http.Header)) func(string) (http.Header, string) {
		return func(body string) (http.Header, string) {
			h := sign(svix, "msg_1", body)
			change(h)
			return h, body
		}
	}
	signed := func(body string) func(string) (http.Header, string) {
		return func(string) (http.Header, string) { return sign(standard, "msg_1", body), body }
	}
	spoil := func(change func(string) string) func(string) (http.Header, string) {
		return func(body string) (http.Header, string) { return sign(svix, "msg_1", body), change(body) }
	}
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	attacks := map[string]func() func(string) (http.Header, string){
		"a bit of the body": func() func(string) (http.Header, string) {
			return spoil(func(body string) string {
				b := []byte(body)
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
				return string(b)
			})
		},
		"the body ends early": func() func(string) (http.Header, string) {
			return spoil(func(body string) string { return body[:random.IntN(len(body))] })
		},
		"the body goes on": func() func(string) (http.Header, string) {
			return spoil(func(body string) string { return body + noise(1+random.IntN(50)) })
		},
		"the body is huge": func() func(string) (http.Header, string) {
			return func(string) (http.Header, string) {
				body := strings.Repeat(pick(" ", "[", `{"a":`, "\x00", "9"), maxBodyBytes+1)
				return sign(svix, "msg_1", body), body
			}
		},
		"a header is missing": func() func(string) (http.Header, string) {
			return forge(func(h http.Header) { h.Del(svix[random.IntN(3)]) })
		},
		"a header is there twice": func() func(string) (http.Header, string) {
			return forge(func(h http.Header) { name := svix[random.IntN(3)]; h.Add(name, pick(h.Get(name), "", noise(8))) })
		},
		"a header has the other name": func() func(string) (http.Header, string) {
			return forge(func(h http.Header) {
				i := random.IntN(3)
				h.Set(standard[i], h.Get(svix[i]))
				h.Del(svix[i])
			})
		},
		"a header is noise": func() func(string) (http.Header, string) {
			return forge(func(h http.Header) { h.Set(svix[random.IntN(3)], noise(random.IntN(100))) })
		},
		"another signature": func() func(string) (http.Header, string) {
			mac := hmacOf("msg_2", now.Unix(), target)
			return forge(func(h http.Header) {
				h.Set("svix-signature", pick("", "v1", "v1,", "v1,"+mac, "v2,"+mac, "v1a,"+mac, mac, " ", strings.Repeat("v1,"+mac+" ", 50), "v1,"+base64.StdEncoding.EncodeToString([]byte(noise(32)))))
			})
		},
		"another time": func() func(string) (http.Header, string) {
			return forge(func(h http.Header) {
				h.Set("svix-timestamp", pick("0", "-1", "1e9", "NaN", "99999999999999999999", fmt.Sprint(now.Unix()+1), fmt.Sprint(now.Unix(), " "), "0x10"))
			})
		},
		"signed noise": func() func(string) (http.Header, string) { return signed(noise(random.IntN(200))) },
		"signed, but not of a type": func() func(string) (http.Header, string) {
			return signed(pick(`{}`, `{"type":null}`, `{"type":[]}`, `{"type":"","data":`+target+`}`, `{"data":`+target+`}`, `[]`, `null`, `"session.ended"`, `{"type":true}`))
		},
		"signed, but of nothing": func() func(string) (http.Header, string) {
			data := pick(`null`, `[]`, `"sess_1"`, `{}`, `{"id":null}`, `{"id":""}`, `{"id":{}}`, `{"id":[1]}`, `{"id":true}`, `{"id":1.5}`, `{"id":"a\u0000b"}`, `{"id":"`+strings.Repeat("s", 2000)+`"}`)
			return signed(event(pick("session.ended", "session.revoked", "user.deleted"), data))
		},
		"signed, but at no time": func() func(string) (http.Header, string) {
			return signed(fmt.Sprintf(`{"type":"session.ended","data":%s,"timestamp":%s}`, target, pick(`-1`, `1`, `1e99`, `"x"`, `{}`, `true`, `99999999999999999999`)))
		},
		"signed, and deep": func() func(string) (http.Header, string) {
			depth := 20_000 + random.IntN(20_000)
			return signed(`{"type":"session.ended","data":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`)
		},
	}
	list := revocation.New(revocation.Config{Now: clock})
	receiver := newClerk(t, ToList(list), nil)
	sent := 0
	for round := 0; sent < 1000; round++ {
		for name, attack := range attacks {
			header, body := attack()(event("session.ended", target))
			w := post(t, receiver, header, body)
			if w.Code < 400 || w.Code >= 500 || list.Len() != 0 {
				t.Fatalf("%s, round %d: answered %d %s; %d revocations\n%v\n%.500q", name, round, w.Code, w.Body, list.Len(), header, body)
			}
			sent++
		}
	}
	if got := receiver.Status(); got.Refused != int64(sent) || got.Failed != 0 || len(receiver.inbox.known) != 0 {
		t.Errorf("Status = %+v, %d messages are remembered; want %d refused", got, len(receiver.inbox.known), sent)
	}
}
