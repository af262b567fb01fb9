package settings

import (
	"slices"
	"testing"
)

func TestWhatNeedsARestartIsNamed(t *testing.T) {
	t.Parallel()
	const before = `
operator_subjects: [user_1]
clerk_webhook_secret: whsec_a
issuers:
  - {url: "https://a.example.com", audiences: [one, two], secret_key: sk_test_a}
  - {url: "https://b.example.com", audiences: [one], backchannel_logout: {client_ids: [web]}}
signals:
  - {name: hooks, secrets: [aaaa], client_secret: a}
`
	for name, tt := range map[string]struct {
		file string
		want []string
	}{
		"nothing": {before, nil},
		"secrets and operators": {`
operator_subjects: [user_2]
operator_permission: ops
clerk_webhook_secret_file: other
issuers:
  - {url: "https://a.example.com", audiences: [one, two], secret_key_file: other}
  - {url: "https://b.example.com", audiences: [one], backchannel_logout: {client_ids: [web]}}
signals:
  - {name: hooks, secrets_file: other, client_secret_file: other}
`, nil},
		"secrets that are gone, and settings of an issuer": {`
operator_subjects: [user_1]
request_timeout: 7s
issuers:
  - {url: "https://a.example.com", audiences: [one, three]}
  - {url: "https://b.example.com", audiences: [one], secret_key: sk_test_b, backchannel_logout: {client_ids: [app]}}
signals:
  - {name: hooks, secrets: [aaaa]}
`, []string{"clerk_webhook_secret", "issuers[0].audiences", "issuers[0].secret_key", "issuers[1].backchannel_logout.client_ids", "issuers[1].secret_key", "request_timeout", "signals[0].client_secret"}},
		"one issuer less": {`
operator_subjects: [user_1]
clerk_webhook_secret: whsec_a
issuers:
  - {url: "https://a.example.com", audiences: [one, two], secret_key: sk_test_a}
signals:
  - {name: hooks, secrets: [aaaa], client_secret: a}
`, []string{"issuers"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started, _ := sources{file: before}.read(t, All())
			read, _ := sources{file: tt.file}.read(t, All())
			if got := read.NeedRestart(started); !slices.Equal(got, tt.want) {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}
