//go:build !unix || solaris || illumos || aix || netbsd || openbsd || dragonfly

package doctor

import "errors"

// mayWrite is not known on this system.
func mayWrite(string) error { return nil }

// free is not known on this system.
func free(string) (bytes, files uint64, err error) { return 0, 0, errors.ErrUnsupported }
