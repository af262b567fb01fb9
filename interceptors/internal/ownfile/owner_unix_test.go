//go:build unix

package ownfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// owned is a file of mode 0600 as its owner has it.
type owned struct {
	fs.FileInfo
	by uint32
}

func (o owned) Sys() any        { return &syscall.Stat_t{Uid: o.by} }
func (owned) Mode() fs.FileMode { return 0o600 }

func TestTheOwnerOfAFile(t *testing.T) {
	t.Parallel()
	const user = 1000
	for _, row := range []struct {
		name string
		by   uint32
		want bool
	}{
		{"the user", user, true},
		{"root", 0, true},
		{"another user", user + 1, false},
	} {
		if got := isOwn(owned{by: row.by}, user); got != row.want {
			t.Errorf("%s: own %v, want %v", row.name, got, row.want)
		}
	}
}

func TestOthersMayReplaceFilesWhereTheyCanWrite(t *testing.T) {
	t.Parallel()
	for mode, want := range map[os.FileMode]bool{
		0o700: false, 0o755: false, 0o750: false, 0o770: true, 0o777: true, 0o702: true, 0o777 | os.ModeSticky: true,
	} {
		directory := t.TempDir()
		if err := os.Chmod(directory, mode); err != nil {
			t.Fatal(err)
		}
		if got := OthersMayReplace(filepath.Join(directory, "file")); got != want {
			t.Errorf("in a directory of mode %v: %t; want %t", mode, got, want)
		}
	}
}
