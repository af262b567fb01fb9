package doctor

import (
	"net"
	"os"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/internal/loopback"
)

// inContainer reports whether this runs in a container, where localhost is no other machine
// and no other container: Kubernetes sets a variable in each, Docker and Podman make a file.
func (p *patient) inContainer() bool {
	if slices.ContainsFunc(p.Environ, func(entry string) bool {
		return strings.HasPrefix(entry, "KUBERNETES_SERVICE_HOST=") || strings.HasPrefix(entry, "container=")
	}) {
		return true
	}
	for _, file := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}

// isLoopback reports whether a host, or host:port, is this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return loopback.Host(host)
}
