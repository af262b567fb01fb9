//go:build unix && !solaris && !illumos && !aix && !netbsd && !openbsd && !dragonfly

package doctor

import "golang.org/x/sys/unix"

// mayWrite returns why this process may not write to a file, or make files in a directory.
func mayWrite(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
}
