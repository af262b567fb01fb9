package signals

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const shared = "a secret that is long enough"

// workOS returns the value of WorkOS-Signature.
func workOS(secret string, at time.Time, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.UnixMilli(), body)
	return fmt.Sprintf("t=%d, v1=%s", at.UnixMilli(), hex.EncodeToString(mac.Sum(nil)))
}

// The vector is what the library of WorkOS computes.
func TestVectorOfWorkOS(t *testing.T) {
	t.Parallel()
	const value = "t=1795000000000, v1=a4d534c7845fe311a5f37f3de05a859162b73522aad0bca84600cd9442bb7a34"
	at := time.UnixMilli(1795000000000)
	h := http.Header{"Workos-Signature": {value}}
	if _, _, err := workOSSecrets([]string{"another", "secret"}).verify(h, []byte(`{"id":"event_1"}`), at); err != nil {
		t.Error(err)
	}
	if _, _, err := workOSSecrets([]string{"secret"}).verify(h, []byte(`{"id":"event_1"} `), at); err == nil {
		t.Error("one more space is accepted")
	}
}

func TestOtherSignatures(t *testing.T) {
	t.Parallel()
	const body = `{"event":"session.revoked"}`
	header := func(name string, values ...string) http.Header { return http.Header{name: values} }
	good := workOS(shared, now, body)
	const form, mismatch, late = "the header WorkOS-Signature is not t=…, v1=…", "does not match", "too far from now"
	for name, tt := range map[string]struct {
		config WebhookConfig
		header http.Header
		want   string // part of the error; "" for none
	}{
		"WorkOS":                        {WebhookConfig{Signature: "workos"}, header("Workos-Signature", good), ""},
		"WorkOS, without a space":       {WebhookConfig{Signature: "workos"}, header("Workos-Signature", strings.Replace(good, ", ", ",", 1)), ""},
		"WorkOS, five minutes old":      {WebhookConfig{Signature: "workos"}, header("Workos-Signature", workOS(shared, now.Add(-5*time.Minute), body)), ""},
		"WorkOS, too old":               {WebhookConfig{Signature: "workos"}, header("Workos-Signature", workOS(shared, now.Add(-5*time.Minute-time.Millisecond), body)), late},
		"WorkOS, too far ahead":         {WebhookConfig{Signature: "workos"}, header("Workos-Signature", workOS(shared, now.Add(5*time.Minute+time.Millisecond), body)), late},
		"WorkOS, in seconds":            {WebhookConfig{Signature: "workos"}, header("Workos-Signature", strings.Replace(good, "000,", ",", 1)), late},
		"WorkOS, another secret":        {WebhookConfig{Signature: "workos"}, header("Workos-Signature", workOS("another secret that is long", now, body)), mismatch},
		"WorkOS, no secret":             {WebhookConfig{Signature: "workos"}, header("Workos-Signature", workOS("", now, body)), mismatch},
		"WorkOS, in capitals":           {WebhookConfig{Signature: "workos"}, header("Workos-Signature", fmt.Sprintf("t=%d, v1=%s", now.UnixMilli(), strings.ToUpper(good[len("t=1772366400000, v1="):]))), mismatch},
		"WorkOS, an empty signature":    {WebhookConfig{Signature: "workos"}, header("Workos-Signature", fmt.Sprintf("t=%d, v1=", now.UnixMilli())), mismatch},
		"WorkOS, no time":               {WebhookConfig{Signature: "workos"}, header("Workos-Signature", good[len("t=1772366400000, "):]), form},
		"WorkOS, a negative time":       {WebhookConfig{Signature: "workos"}, header("Workos-Signature", strings.Replace(good, "t=", "t=-", 1)), form},
		"WorkOS, nothing":               {WebhookConfig{Signature: "workos"}, header("Workos-Signature", ""), form},
		"WorkOS, twice":                 {WebhookConfig{Signature: "workos"}, header("Workos-Signature", good, good), "is there twice"},
		"WorkOS, by Standard Webhooks":  {WebhookConfig{Signature: "workos"}, sign(standard, "msg_1", body), "is missing"},
		"Standard Webhooks, by WorkOS":  {WebhookConfig{Secrets: []string{secret}}, header("Workos-Signature", good), "are missing"},
		"a secret":                      {WebhookConfig{Signature: "header", Header: "X-Webhook-Secret"}, header("X-Webhook-Secret", shared), ""},
		"the second secret":             {WebhookConfig{Signature: "header", Secrets: []string{"a new secret, long enough", shared}}, header("Authorization", "Bearer "+shared), ""},
		"a bearer":                      {WebhookConfig{Signature: "header"}, header("Authorization", "Bearer "+shared), ""},
		"Basic":                         {WebhookConfig{Signature: "header", Secrets: []string{"Basic aG9vazpodW50ZXIyaHVudGVyMg=="}}, header("Authorization", "Basic aG9vazpodW50ZXIyaHVudGVyMg=="), ""},
		"another secret":                {WebhookConfig{Signature: "header"}, header("Authorization", "Bearer "+shared+"!"), mismatch},
		"the beginning of the secret":   {WebhookConfig{Signature: "header"}, header("Authorization", "Bearer "+shared[:20]), mismatch},
		"no secret":                     {WebhookConfig{Signature: "header"}, header("Authorization", "Bearer "), mismatch},
		"nothing":                       {WebhookConfig{Signature: "header"}, header("Authorization", ""), mismatch},
		"no header":                     {WebhookConfig{Signature: "header"}, http.Header{}, "is missing"},
		"a secret in another header":    {WebhookConfig{Signature: "header", Header: "X-Webhook-Secret"}, header("Authorization", shared), "is missing"},
		"a secret beside a wrong one":   {WebhookConfig{Signature: "header"}, header("Authorization", "Bearer x", "Bearer "+shared), "is there twice"},
		"a secret that is not believed": {WebhookConfig{Signature: "header"}, header("Authorization", "bearer "+shared), mismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.config.Secrets == nil {
				tt.config.Secrets = []string{shared}
			}
			verify, err := newVerify(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = verify(tt.header, []byte(body), now)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if refused, ok := errors.AsType[*refusal](err); !ok || refused.status != http.StatusUnauthorized || !strings.Contains(refused.message, tt.want) {
				t.Errorf("verify = %v; want %q", err, tt.want)
			}
		})
	}
}

func FuzzWorkOSSignature(f *testing.F) {
	f.Add(workOS(shared, now, "{}"), "{}")
	f.Add("t=1795000000000, v1=a4d534c7845fe311a5f37f3de05a859162b73522aad0bca84600cd9442bb7a34", `{"id":"event_1"}`)
	f.Add("t=,v1=", "")
	f.Fuzz(func(t *testing.T, value, body string) {
		_, _, err := workOSSecrets([]string{shared}).verify(http.Header{"Workos-Signature": {value}}, []byte(body), now)
		timestamp, _, _ := strings.Cut(strings.TrimPrefix(value, "t="), ",")
		mac := hmac.New(sha256.New, []byte(shared))
		mac.Write([]byte(timestamp + "." + body))
		if err == nil && !strings.HasSuffix(value, hex.EncodeToString(mac.Sum(nil))) {
			t.Errorf("%q is accepted", value)
		}
	})
}
