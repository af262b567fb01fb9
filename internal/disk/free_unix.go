//go:build unix && !solaris && !illumos && !aix && !netbsd && !openbsd && !dragonfly

package disk

import "golang.org/x/sys/unix"

// Free returns how many bytes are free in the file system of path for this user, and how many
// files can still be made: 1 where there is no such limit. The error is errors.ErrUnsupported
// on systems where it is not known.
func Free(path string) (bytes, files uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, 0, err
	}
	files = uint64(stat.Ffree) //nolint:unconvert // signed on some systems
	if stat.Files == 0 {
		files = 1
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), files, nil //nolint:gosec,unconvert // neither is negative
}
