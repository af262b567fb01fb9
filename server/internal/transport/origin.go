package transport

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	scheme, rest, wildcard := strings.Cut(pattern, "://*.")
	if !wildcard {
		return false
	}
	host, sameScheme := strings.CutPrefix(origin, scheme+"://")
	label, parent, _ := strings.Cut(host, ".")
	return sameScheme && parent == rest && isLabel(label)
}

// CheckOrigin says what keeps an origin, or a pattern of origins, from matching
// what a browser sends.
func CheckOrigin(pattern string) error {
	scheme, authority, found := strings.Cut(pattern, "://")
	switch {
	case pattern == "null":
		return errors.New("null stands for every sandboxed page at once and is never allowed")
	case !found || !isScheme(scheme):
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
	case scheme == "http" && port == "80", scheme == "https" && port == "443":
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
	if !slices.ContainsFunc(labels, func(label string) bool { return !isLabel(label) }) {
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

// isScheme reports whether s is a scheme, in either case (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !isDigit(c) && !strings.ContainsRune("+-.", rune(c))) {
			return false
		}
	}
	return s != ""
}

// isLabel reports whether s is one label of a host name. Underscores are not
// for hosts, but browsers resolve them.
func isLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

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
