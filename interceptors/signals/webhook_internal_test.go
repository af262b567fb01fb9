package signals

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSecretsOfWebhooks(t *testing.T) {
	t.Parallel()
	encode := func(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n)) }
	for name, tt := range map[string]struct {
		secrets []string
		want    string // part of the error; "" for none
	}{
		"as the sender shows it":         {[]string{secret}, ""},
		"without its prefix":             {[]string{strings.TrimPrefix(secret, "whsec_")}, ""},
		"the longest":                    {[]string{"whsec_" + encode(64)}, ""},
		"two, while one is replaced":     {[]string{secret, "whsec_" + encode(32)}, ""},
		"a public key":                   {[]string{"whpk_" + encode(32)}, ""},
		"none":                           {nil, "there is no secret"},
		"an empty one":                   {[]string{""}, "secret 1 of 1: it is empty"},
		"an empty one beside a good one": {[]string{secret, ""}, "secret 2 of 2: it is empty"},
		"only a prefix":                  {[]string{"whsec_"}, "a secret has 24 to 64 bytes, and this one 0"},
		"one that is too short":          {[]string{"whsec_" + encode(23)}, "a secret has 24 to 64 bytes, and this one 23"},
		"one that is too long":           {[]string{"whsec_" + encode(65)}, "a secret has 24 to 64 bytes, and this one 65"},
		"no base64":                      {[]string{"whsec_hunter2!"}, "it is not base64"},
		"base64 without its padding":     {[]string{"whsec_" + strings.TrimRight(encode(32), "=")}, "it is not base64"},
		"a public key that is too short": {[]string{"whpk_" + encode(31)}, "a public key has 32 bytes, and this one 31"},
		"a private key":                  {[]string{"whsk_" + encode(64)}, "it is the private key of the sender"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newWebhookKeys(tt.secrets)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("newWebhookKeys = %v; want %q", err, tt.want)
			}
			for _, secret := range tt.secrets {
				if err != nil && len(secret) > len("whsec_") && strings.Contains(err.Error(), secret[len("whsec_"):]) {
					t.Errorf("the error shows the secret: %v", err)
				}
			}
		})
	}
}

// Vectors are from the documentation of Svix, and from what @clerk/backend accepts.
func TestVectorsOfWebhooks(t *testing.T) {
	t.Parallel()
	const revoked = `{"data":{"object":"session","id":"sess_2abc","user_id":"user_2abc","client_id":"client_2abc","status":"revoked","actor":null,"last_active_at":1795000000000,"expire_at":1795600000000,"abandon_at":1797600000000,"created_at":1794990000000,"updated_at":1795000001000,"user":null},"event_attributes":{"http_request":{"client_ip":"192.0.2.1","user_agent":"curl"}},"instance_id":"ins_123","object":"event","timestamp":1795000001234,"type":"session.revoked"}`
	keys, err := newWebhookKeys([]string{secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id        string
		timestamp int64
		body      string
		signature string
	}{
		{"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{"msg_2revoked", 1795000002, revoked, "v1,4+vuPu/WHlxwXkDYCJfCz5MtedKmyy0HzK1CP2BXRTg="},
	} {
		for _, names := range [][3]string{svix, standard} {
			at := time.Unix(tt.timestamp, 0)
			if id, _, err := keys.verify(headers(names, tt.id, tt.timestamp, tt.signature), []byte(tt.body), at); err != nil || id != tt.id {
				t.Errorf("%s with %s: %q, %v", tt.id, names[0], id, err)
			}
			if _, _, err := keys.verify(headers(names, tt.id, tt.timestamp, tt.signature), []byte(tt.body+" "), at); err == nil {
				t.Errorf("%s with %s: one more space is accepted", tt.id, names[0])
			}
		}
	}
}

func TestSignaturesOfWebhooks(t *testing.T) {
	t.Parallel()
	const id, body = "msg_1", `{"type":"session.ended"}`
	at := now.Unix()
	good := "v1," + hmacOf(id, at, body)
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	asymmetric := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(id+"."+strconv.FormatInt(at, 10)+"."+body)))
	public := "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	other := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	with := func(change func(http.Header)) http.Header {
		h := headers(standard, id, at, good)
		change(h)
		return h
	}
	const mismatch, missing = "the signature does not match", "one of the headers of the signature is missing, or is there twice"
	const late, absent = "the timestamp of the signature is too far from now", "are missing"
	for name, tt := range map[string]struct {
		secrets []string
		header  http.Header
		want    string // part of the error; "" for none
	}{
		"a good one":                 {[]string{secret}, headers(svix, id, at, good), ""},
		"by the second secret":       {[]string{other, secret}, headers(svix, id, at, good), ""},
		"the second in the list":     {[]string{secret}, headers(svix, id, at, "v1,AAAA v2,x "+good), ""},
		"Ed25519":                    {[]string{public}, headers(standard, id, at, asymmetric), ""},
		"HMAC, where both are known": {[]string{public, secret}, headers(standard, id, at, good), ""},
		"five minutes old":           {[]string{secret}, headers(svix, id, at-300, "v1,"+hmacOf(id, at-300, body)), ""},
		"five minutes ahead":         {[]string{secret}, headers(svix, id, at+300, "v1,"+hmacOf(id, at+300, body)), ""},
		"both names, which agree": {[]string{secret}, with(func(h http.Header) {
			h["Svix-Id"], h["Svix-Timestamp"], h["Svix-Signature"] = h["Webhook-Id"], h["Webhook-Timestamp"], h["Webhook-Signature"]
		}), ""},
		"a second too old":               {[]string{secret}, headers(svix, id, at-301, "v1,"+hmacOf(id, at-301, body)), late},
		"a second too far ahead":         {[]string{secret}, headers(svix, id, at+301, "v1,"+hmacOf(id, at+301, body)), late},
		"the largest time":               {[]string{secret}, headers(svix, id, 1<<40-1, "v1,"+hmacOf(id, 1<<40-1, body)), late},
		"a time in milliseconds":         {[]string{secret}, headers(svix, id, at*1000, "v1,"+hmacOf(id, at*1000, body)), "not a number of seconds"},
		"a time before 1970":             {[]string{secret}, headers(svix, id, -at, "v1,"+hmacOf(id, -at, body)), "not a number of seconds"},
		"a time with a sign":             {[]string{secret}, with(func(h http.Header) { h.Set("webhook-timestamp", fmt.Sprint("+", at)) }), "not a number of seconds"},
		"no time":                        {[]string{secret}, with(func(h http.Header) { h.Set("webhook-timestamp", "") }), "not a number of seconds"},
		"an unknown secret":              {[]string{other}, headers(svix, id, at, good), mismatch},
		"an empty signature":             {[]string{secret}, headers(svix, id, at, "v1,"), mismatch},
		"no signature":                   {[]string{secret}, headers(svix, id, at, ""), mismatch},
		"another version":                {[]string{secret}, headers(svix, id, at, strings.Replace(good, "v1,", "v2,", 1)), mismatch},
		"no version":                     {[]string{secret}, headers(svix, id, at, strings.TrimPrefix(good, "v1,")), mismatch},
		"HMAC called Ed25519":            {[]string{secret, public}, headers(svix, id, at, strings.Replace(good, "v1,", "v1a,", 1)), mismatch},
		"Ed25519 called HMAC":            {[]string{secret, public}, headers(svix, id, at, strings.Replace(asymmetric, "v1a,", "v1,", 1)), mismatch},
		"Ed25519 without a public key":   {[]string{secret}, headers(svix, id, at, asymmetric), mismatch},
		"HMAC keyed with the public key": {[]string{public}, headers(svix, id, at, good), mismatch},
		"base64 with stray bits":         {[]string{secret}, headers(svix, id, at, strings.Replace(good, "=", "==", 1)), mismatch},
		"another id":                     {[]string{secret}, headers(svix, "msg_2", at, good), mismatch},
		"another time":                   {[]string{secret}, headers(svix, id, at+1, good), mismatch},
		"no headers":                     {[]string{secret}, http.Header{}, absent},
		"no id":                          {[]string{secret}, with(func(h http.Header) { h.Del("webhook-id") }), missing},
		"no timestamp":                   {[]string{secret}, with(func(h http.Header) { h.Del("webhook-timestamp") }), missing},
		"no signatures":                  {[]string{secret}, with(func(h http.Header) { h.Del("webhook-signature") }), missing},
		"two ids":                        {[]string{secret}, with(func(h http.Header) { h.Add("webhook-id", id) }), missing},
		"two timestamps":                 {[]string{secret}, with(func(h http.Header) { h.Add("webhook-timestamp", strconv.FormatInt(at, 10)) }), missing},
		"two signatures":                 {[]string{secret}, with(func(h http.Header) { h.Add("webhook-signature", good) }), missing},
		"a mixture of names":             {[]string{secret}, with(func(h http.Header) { h["Svix-Id"] = h["Webhook-Id"]; h.Del("webhook-id") }), missing},
		"an id of the other name":        {[]string{secret}, with(func(h http.Header) { h["Svix-Id"] = h["Webhook-Id"] }), missing},
		"both names, with another id": {[]string{secret}, with(func(h http.Header) {
			h["Svix-Id"], h["Svix-Timestamp"], h["Svix-Signature"] = []string{"msg_2"}, h["Webhook-Timestamp"], h["Webhook-Signature"]
		}), "contradict each other"},
		"an empty id":             {[]string{secret}, headers(svix, "", at, "v1,"+hmacOf("", at, body)), "empty or too long"},
		"a long id":               {[]string{secret}, headers(svix, strings.Repeat("a", maxIDBytes+1), at, good), "empty or too long"},
		"ten thousand signatures": {[]string{secret, public}, headers(svix, id, at, strings.Repeat(asymmetric+" ", 10_000)+good), "empty or too long"},
		"ten signatures":          {[]string{secret, public}, headers(svix, id, at, strings.Repeat("v1a,AAAA ", 9)+good), ""},
		"eleven signatures":       {[]string{secret, public}, headers(svix, id, at, strings.Repeat("v1a,AAAA ", 10)+good), "empty or too long"},
		"an id with a full stop":  {[]string{secret}, headers(svix, "a.b", at, "v1,"+hmacOf("a.b", at, body)), "full stop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := newWebhookKeys(tt.secrets)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := keys.verify(tt.header, []byte(body), now)
			if tt.want == "" {
				if err != nil || got != id {
					t.Errorf("verify = %q, %v", got, err)
				}
				return
			}
			if refused, ok := errors.AsType[*refusal](err); !ok || refused.status != http.StatusUnauthorized || !strings.Contains(refused.message, tt.want) {
				t.Errorf("verify = %v; want %q", err, tt.want)
			}
		})
	}
}

// What is signed is id.timestamp.body, so these are the same bytes.
func TestTheBoundariesOfWhatIsSignedCannotBeMoved(t *testing.T) {
	t.Parallel()
	keys, err := newWebhookKeys([]string{secret})
	if err != nil {
		t.Fatal(err)
	}
	at := now.Unix()
	rest := fmt.Sprint(at, `.{"type":"user.deleted"}`)
	signature := "v1," + hmacOf("msg_1", at, rest)
	if _, _, err := keys.verify(headers(svix, "msg_1", at, signature), []byte(rest), now); err != nil {
		t.Fatal(err)
	}
	moved := headers(svix, fmt.Sprint("msg_1.", at), at, signature)
	if _, _, err := keys.verify(moved, []byte(`{"type":"user.deleted"}`), now); err == nil {
		t.Error("accepted with the beginning of the body in its id")
	}
}

func FuzzWebhookSignature(f *testing.F) {
	f.Add("msg_1", strconv.FormatInt(now.Unix(), 10), "v1,"+hmacOf("msg_1", now.Unix(), "{}"), "{}")
	f.Add("msg_1", "1614265330", "v1,", "")
	f.Add("a.b", "-1", "v1a,AAAA v1,=", "{}")
	keys, err := newWebhookKeys([]string{secret, "whpk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(make([]byte, 32))[32:])})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, timestamp, signatures, body string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signatures}}
		got, _, err := keys.verify(h, []byte(body), now)
		seconds, _ := strconv.ParseInt(timestamp, 10, 64)
		if err == nil && (got != id || !strings.Contains(signatures, hmacOf(id, seconds, body))) {
			t.Errorf("%v is accepted", h)
		}
	})
}
