package jwks

import (
	"errors"
	"testing"
)

func TestKeysOfASPIFFEBundle(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		allow bool
		use   string
		want  error
	}{
		{"jwt-svid where it is allowed", true, "jwt-svid", nil},
		{"jwt-svid where it is not", false, "jwt-svid", ErrUnknownKey},
		{"x509-svid, which signs certificates", true, "x509-svid", ErrUnknownKey},
		{"enc", true, "enc", ErrUnknownKey},
		{"sig", true, "sig", nil},
		{"no use", true, "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			issuer := newServer(t)
			issuer.setOf(t, "first", "second")
			issuer.answerWith(body(string(keySet(t, issuer.keys["second"], issuer.keys["first"].with("use", row.use)))))
			config := RemoteConfig{URL: issuer.url, AllowJWTSVID: row.allow, Snapshot: t.TempDir() + "/keys.json"}
			keys := newRemote(t, config)
			if err := lookup(t, keys, "first"); !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if err := keys.Close(); err != nil {
				t.Fatal(err)
			}
			issuer.answerWith(hang)
			restarted := newRemote(t, config)
			if _, err := restarted.find(Hint{KeyID: "first", Algorithm: "ES256"}); !errors.Is(err, row.want) {
				t.Errorf("from the snapshot: %v, want %v", err, row.want)
			}
		})
	}
}
