package jwks

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary/internal/loopback"
)

// checkURL accepts https. It accepts http to loopback, where nobody can listen in,
// and elsewhere only if the configuration says so.
func (c RemoteConfig) checkURL(name, raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s cannot be parsed: give one such as https://issuer.example.com", name)
	}
	switch {
	case u.User != nil:
		return fmt.Errorf("%s holds a user name or password: leave it out, key sets are public", name)
	case u.Hostname() == "" || u.Fragment != "":
		return fmt.Errorf("%s %q: give an absolute URL without a fragment", name, raw)
	case u.Scheme == "https", u.Scheme == "http" && loopback.Host(u.Hostname()):
		return nil
	case u.Scheme != "http" || !c.InsecureHTTP:
		return fmt.Errorf("%s %q: use https; http is accepted for loopback, and within a private network with InsecureHTTP", name, raw)
	case c.TokenFile != "":
		return fmt.Errorf("%s %q: use https: over http the network would read the token of TokenFile", name, raw)
	default:
		return nil
	}
}

// origin returns the scheme, host and port of the source (RFC 6454, section 4).
func (c RemoteConfig) origin() string {
	u, err := url.Parse(c.source())
	if err != nil {
		return ""
	}
	return originOf(u)
}

func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
