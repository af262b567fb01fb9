//go:build !unix

package drain

import "net"

// connectionsWait reports that none do, since it cannot be asked here.
func connectionsWait(*net.TCPListener) bool { return false }
