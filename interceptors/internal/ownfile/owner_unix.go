//go:build unix

package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFile follows no link, and does not wait for somebody to write to a pipe.
func openFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, ErrUnsafe
	}
	return file, err
}

// isOwn reports whether the user or root owns the file or directory, and nobody else may
// write it.
func isOwn(info fs.FileInfo, user int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == user) && info.Mode().Perm()&0o022 == 0
}

// OthersMayReplace reports whether others may write to the directory of a file. They could
// put another in its place, such as an older one that this user has written; or, in /tmp,
// be the first to write there, after which Open returns ErrUnsafe.
func OthersMayReplace(path string) bool {
	info, err := os.Stat(filepath.Dir(path))
	return err == nil && !isOwn(info, os.Geteuid())
}
