package signals

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/internal/testprogram"
)

// node returns a command that runs a script of testdata. It skips the test where Node or
// the script's packages are missing; but in CI nothing may be missing.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		testprogram.Missing(t, "no real sender was tested: install Node 20.19 or later")
	}
	if _, err := os.Stat(filepath.Join("testdata", "node_modules")); err != nil {
		testprogram.Missing(t, "no real sender was tested: run make test, or npm ci in interceptors/signals/testdata")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{script}, args...)...)
	cmd.Dir = "testdata"
	cmd.Stderr = os.Stderr
	return cmd
}

func TestWhatRealSignersSendIsUnderstood(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{})
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))[ed25519.SeedSize:]
	receiver := newClerk(t, ToList(list), func(c *ClerkConfig) {
		c.Now = nil
		c.Secrets = append(c.Secrets, "whpk_"+base64.StdEncoding.EncodeToString(public))
	})
	server := httptest.NewServer(receiver)
	defer server.Close()
	got, err := node(t, "webhooks.mjs", server.URL, secret).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, signer := range []string{"svix", "standardwebhooks"} {
		for _, line := range []string{"a session: 200", "the same again: 200", "a user: 200", "an email: 200", "by a stranger: 401", "ten minutes old: 401"} {
			want.WriteString(signer + ", " + line + "\n")
		}
		for name, id := range map[string]*auth.Identity{
			"session": {Issuer: issuer, Subject: "user_ada", SessionID: "sess_" + signer},
			"user":    {Issuer: issuer, Subject: "user_" + signer},
		} {
			if reason, _ := auth.ReasonOf(list.Revoked(id)); reason != auth.TokenRevoked {
				t.Errorf("the %s of %s is not revoked", name, signer)
			}
		}
	}
	want.WriteString("ed25519, a session: 200\n")
	if list.Revoked(&auth.Identity{Issuer: issuer, SessionID: "sess_ed25519"}) == nil {
		t.Error("the session of ed25519 is not revoked")
	}
	if string(got) != want.String() {
		t.Errorf("the answers were\n%s\nand should be\n%s", got, want.String())
	}
	if list.Revoked(&auth.Identity{Issuer: issuer, Subject: "user_ada"}) != nil {
		t.Error("a message that was refused has revoked something")
	}
	if got := receiver.Status(); got.Accepted != 5 || got.Repeated != 2 || got.Ignored != 2 || got.Refused != 4 || got.Failed != 0 {
		t.Errorf("Status = %+v", got)
	}
}
