package proxy

import (
	"net/netip"
	"strings"
)

// maxHops bounds how many entries are read. More proxies than that are in no request's way.
const maxHops = 32

// forwarded returns the client that X-Forwarded-For and Forwarded (RFC 7239) name. It returns
// false where they name none, where they are malformed, and where they differ: a proxy that
// writes one of them may pass on the other as its caller wrote it.
func (t Trusted) forwarded(values func(header string) []string) (netip.AddrPort, bool) {
	unofficial, standard := values("X-Forwarded-For"), values("Forwarded")
	switch {
	case len(standard) == 0:
		return t.walk(unofficial, parseNode)
	case len(unofficial) == 0:
		return t.walk(standard, parseElement)
	}
	one, ok := t.walk(unofficial, parseNode)
	other, okToo := t.walk(standard, parseElement)
	return other, ok && okToo && one.Addr() == other.Addr()
}

// walk returns the first entry from the right that is not trusted: each proxy adds on the right
// whom it was called by, so that what is left of it may be invented. If all are trusted, it
// returns the leftmost.
func (t Trusted) walk(lines []string, parse func(entry string) (netip.AddrPort, bool)) (client netip.AddrPort, found bool) {
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, comma := lines[i], 0; comma >= 0; rest = rest[:max(comma, 0)] {
			comma = strings.LastIndexByte(rest, ',')
			entry, ok := parse(strings.Trim(rest[comma+1:], " \t"))
			if hops++; !ok || entry.Addr().Zone() != "" || hops > maxHops {
				return netip.AddrPort{}, false
			}
			if client, found = entry, true; !t.contains(client.Addr()) {
				return client, true
			}
		}
	}
	return client, found
}

// parseNode reads an address with or without a port, which is 0 where there is none. IPv6 has
// brackets where it has a port.
func parseNode(s string) (netip.AddrPort, bool) {
	node, err := netip.ParseAddrPort(s)
	if err != nil {
		inner, bracketed := strings.CutPrefix(s, "[")
		if bracketed {
			if inner, bracketed = strings.CutSuffix(inner, "]"); !bracketed {
				return node, false
			}
		}
		addr, err := netip.ParseAddr(inner)
		if err != nil || bracketed && !addr.Is6() {
			return node, false
		}
		node = netip.AddrPortFrom(addr, 0)
	}
	return netip.AddrPortFrom(node.Addr().Unmap(), node.Port()), true
}

// parseElement reads an element of a Forwarded header (RFC 7239, section 4), in which "for"
// must be an address: "unknown" and obfuscated names are no client. It refuses backslashes and
// quotes within a value, so an element that was cut out of a quoted string is malformed.
func parseElement(element string) (client netip.AddrPort, found bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if quoted, opened := strings.CutPrefix(value, `"`); opened {
			if value, opened = strings.CutSuffix(quoted, `"`); !opened {
				return client, false
			}
		}
		if !ok || strings.ContainsAny(value, `"\`) {
			return client, false
		}
		if !strings.EqualFold(strings.Trim(name, " \t"), "for") {
			continue
		}
		if found { // a second one
			return client, false
		}
		if client, found = parseNode(value); !found {
			return client, false
		}
	}
	return client, found
}
