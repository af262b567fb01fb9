package server

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

func TestAServerWithAReadOnlyDatabaseVerifiesTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount := func(args ...string) error {
		out, err := exec.CommandContext(t.Context(), "mount", append(args, dir)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := mount("-t", "tmpfs", "none"); err != nil {
		t.Skipf("this user may not mount a disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	onDisk := func(c *settings.Config) { withOperator(c); c.DataDir = filepath.Join(dir, "data") }
	r := start(t, onDisk)
	r.revoke(t, "gone")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := mount("-o", "remount,ro"); err != nil {
		t.Fatal(err)
	}
	again := start(t, onDisk, func(c *settings.Config) { c.Issuers = r.config.Issuers })
	again.issuer = r.issuer
	again.wantAdmitted(t, "a session", r.issuer.Session("user_ada"))
	again.wantReason(t, "a session that was revoked", r.issuer.Session("user_ada", authtest.With("sid", "gone")), auth.TokenRevoked)
	_, err := again.sessions(t, again.issuer.Session("user_otto")).RevokeSession(t.Context(), again.revokeReq("ada"))
	wantError(t, "who revokes", err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	if code, answer := again.readyz(t); code != http.StatusOK || answer.Database.State != "read_only" {
		t.Errorf("/readyz answers %d, %+v; want it ready, and the database read_only", code, answer)
	}
	if !contains(again.log, "level=ERROR", "the database can only be read", "ostiary.db cannot be written: free space on its disk") {
		t.Error("the log does not say what to do")
	}
}
