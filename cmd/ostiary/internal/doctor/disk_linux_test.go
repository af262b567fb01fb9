package doctor_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
)

// disk mounts a small file system.
func disk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", options, "none", dir).CombinedOutput(); err != nil {
		t.Skipf("this user may not mount a disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestTroubleWithTheDataDirectoryIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dir  func(*testing.T) string
		want want
	}{
		"a read-only disk": {func(t *testing.T) string {
			t.Helper()
			return filepath.Join(disk(t, "size=1m,ro"), "data")
		}, want{"store.not_writable", doctor.Fault, "let user", "read-only file system"}},
		"a full disk": {func(t *testing.T) string {
			t.Helper()
			dir := disk(t, "size=1m")
			if err := os.WriteFile(filepath.Join(dir, "filled"), make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%v; want it full", err)
			}
			return filepath.Join(dir, "data")
		}, want{"disk.full", doctor.Fault, "free space there", "0 MiB are free"}},
		"no inode": {func(t *testing.T) string {
			t.Helper()
			dir := disk(t, "size=64m,nr_inodes=2")
			_ = os.WriteFile(filepath.Join(dir, "one"), nil, 0o600)
			return filepath.Join(dir, "data")
		}, want{"disk.no_inodes", doctor.Fault, "remove files", "no inode left"}},
		"a database that is none": {func(t *testing.T) string {
			t.Helper()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ostiary.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, want{"store.unusable", doctor.Fault, "ostiary restore", "damaged"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.check(t, setup{flags: []string{"--data-dir", test.dir(t)}}.examine(t))
		})
	}
}
