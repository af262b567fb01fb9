//go:build unix

package drain

import (
	"net"

	"golang.org/x/sys/unix"
)

// connectionsWait reports whether Accept would return a connection at once.
func connectionsWait(listener *net.TCPListener) (wait bool) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // a descriptor is an int32
		wait = n > 0 && err == nil
	})
	return wait
}
