//go:build !unix || solaris || illumos || aix || netbsd || openbsd || dragonfly

package disk

import "errors"

// Free returns errors.ErrUnsupported: how much is free is not known on this system.
func Free(string) (bytes, files uint64, err error) { return 0, 0, errors.ErrUnsupported }
