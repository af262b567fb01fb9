package transport

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`) // RFC 3986, section 3.1
	// label is one label of a host name. Underscores are not for hosts, but browsers
	// resolve them.
	label = regexp.MustCompile(`^[a-z0-9_-]+$`)
)

// originMatches reports whether the Origin header of a request (RFC 6454,
// section 7) matches a pattern. Both are compared byte by byte: browsers send
// scheme and host in lower case and leave the scheme's own port out.
func originMatches(pattern, origin string) bool {
	if origin == "" || origin == "null" {
		return false
	}
	if pattern == "*" || pattern == origin {
		return true
	}
	before, rest, wildcard := strings.Cut(pattern, "://*.")
	if !wildcard {
		return false
	}
	host, sameScheme := strings.CutPrefix(origin, before+"://")
	first, parent, _ := strings.Cut(host, ".")
	return sameScheme && parent == rest && label.MatchString(first)
}

// CheckOrigin says what keeps an origin, or a pattern of origins, from matching
// what a browser sends.
func CheckOrigin(pattern string) error {
	before, authority, found := strings.Cut(pattern, "://")
	switch {
	case pattern == "null":
		return errors.New("null stands for every sandboxed page at once and is never allowed")
	case !found || !scheme.MatchString(before):
		return errors.New("write scheme://host, such as https://app.example.com")
	case pattern != strings.ToLower(pattern):
		return errors.New("browsers send it in lower case; write it so")
	case strings.ContainsAny(authority, "/?#@"):
		return errors.New("leave out everything after the host and the port, a trailing slash too")
	}
	host, port, hasPort := cutPort(authority)
	switch {
	case hasPort && !isPort(port):
		return errors.New("the port is not a number from 1 to 65535")
	case before == "http" && port == "80", before == "https" && port == "443":
		return fmt.Errorf("browsers leave the scheme's own port out; drop :%s", port)
	}
	return checkOriginHost(host)
}

func checkOriginHost(host string) error {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return nil // an IPv6 address, which either matches exactly or never
	}
	parent, wildcard := strings.CutPrefix(host, "*.")
	labels := strings.Split(parent, ".")
	if !slices.ContainsFunc(labels, func(l string) bool { return !label.MatchString(l) }) {
		if wildcard && len(labels) == 1 && parent != "localhost" {
			return errors.New("the wildcard covers a whole top-level domain; name at least two labels after it")
		}
		return nil
	}
	if strings.Contains(host, "*") {
		return errors.New("a wildcard stands for the whole first label, as in https://*.example.com")
	}
	return errors.New("the host is not a name or an address")
}

// cutPort splits host:port; the colons of [::1] belong to the host.
func cutPort(authority string) (host, port string, found bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", false
	}
	return authority[:i], authority[i+1:], true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}
