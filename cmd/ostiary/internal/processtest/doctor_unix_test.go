//go:build unix

package processtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is a user who owns nothing.
const nobody = 65534

func TestDoctorFindsADataDirectoryOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run it as another user")
	}
	dir, err := os.MkdirTemp("/tmp", "data") //nolint:usetesting // nobody else may enter that of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"it is not there": filepath.Join(dir, "new", "data"), "it is there": dir} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := runAs(t.Context(), t)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			mustFind(t, examined(t, cmd, "OSTIARY_DATA_DIR="+path), "store.not_writable", "user 65534 cannot write there", "chown 65534")
		})
	}
}
