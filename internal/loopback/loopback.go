// Package loopback says what counts as this machine, wherever less is asked of it
// than of another one: a token may go there in plaintext, keys may come from there
// over http, and the development issuer answers it.
package loopback

import (
	"net/netip"
	"strings"
)

// Host reports whether a host, as in the Hostname of a URL, can be nothing but this
// machine: localhost in any case, or a literal address that [Addr] accepts, without
// a zone.
//
// No other name is accepted, whatever it resolves to. Neither is a name below
// localhost: RFC 6761, section 6.3, tells resolvers to answer loopback for these, but
// some ask the network. IPv4 addresses that lack a part or that are not decimal, such
// as 127.1 and 0x7f.0.0.1, are names here.
func Host(host string) bool {
	if strings.ToLower(host) == "localhost" { // EqualFold would take localhoſt for it
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && Addr(addr)
}

// Addr reports whether an address is loopback: in 127.0.0.0/8 (RFC 1122, section
// 3.2.1.3), ::1 (RFC 4291, section 2.5.3), or the former mapped into IPv6. The zero
// Addr is not.
func Addr(addr netip.Addr) bool { return addr.Unmap().IsLoopback() }
