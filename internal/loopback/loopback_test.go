package loopback_test

import (
	"net/netip"
	"net/url"
	"testing"

	"github.com/ostiary/ostiary/internal/loopback"
)

func TestHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "LOCALHOST": true,
		"127.0.0.1": true, "127.0.0.0": true, "127.9.9.9": true, "127.255.255.255": true,
		"::1": true, "0:0:0:0:0:0:0:1": true, "0000:0000:0000:0000:0000:0000:0000:0001": true,
		"::ffff:127.0.0.1": true, "::ffff:7f00:1": true, "::FFFF:127.255.255.255": true,

		// Other names.
		"": false, "localhost.": false, "app.localhost": false, "localhost.example.com": false, "localhost.localdomain": false,
		"localhost:8080": false, "localhost ": false, "127.0.0.1.example.com": false, "127.0.0.1:80": false, "[::1]": false,
		"ip6-localhost": false, "loopback": false, "ſocalhost": false, "localhoſt": false,

		// Literals that are not loopback.
		"0.0.0.0": false, "126.255.255.255": false, "128.0.0.0": false, "10.0.0.1": false, "192.168.0.1": false,
		"169.254.0.1": false, "172.16.0.1": false, "100.64.0.1": false, "8.8.8.8": false, "255.255.255.255": false,
		"::": false, "::2": false, "fe80::1": false, "fc00::1": false, "fd00::1": false, "2001:db8::1": false, "1::": false,
		"::ffff:0.0.0.0": false, "::ffff:126.0.0.1": false, "::ffff:128.0.0.1": false, "::ffff:10.0.0.1": false,
		"::127.0.0.1": false, "64:ff9b::127.0.0.1": false, "2002:7f00:1::": false, "::ffff:0:127.0.0.1": false,

		// Literals that some resolvers read as loopback, and others ask the network for.
		"127.1": false, "127.0.1": false, "127": false, "0x7f.0.0.1": false, "0x7f000001": false, "2130706433": false,
		"0177.0.0.1": false, "127.0.0.01": false, "127.000.000.001": false, "127.0.0.1.": false, " 127.0.0.1": false,
		"127.0.0.256": false, "127.0.0.1%lo": false, "::1%lo": false, "::1%": false, "::ffff:127.0.0.1%lo": false,
		"１２７.0.0.1": false, "::１": false,
	} {
		if got := loopback.Host(host); got != want {
			t.Errorf("Host(%q) = %t", host, got)
		}
	}
}

// TestHostOfAURL takes the host from where callers take it.
func TestHostOfAURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"http://localhost": true, "http://localhost:8080/x": true, "http://[::1]:80": true, "http://[::ffff:127.0.0.1]": true, "http://127.0.0.1:1": true,
		"http://localhost@example.com": false, "http://example.com#localhost": false, "http://example.com/localhost": false,
		"http://[::1%25lo]": false, "http:localhost": false, "http:///localhost": false, "localhost": false, "http://[::]": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := loopback.Host(u.Hostname()); got != want {
			t.Errorf("%s: %t", raw, got)
		}
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	for _, addr := range []netip.Addr{
		{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.IPv6LinkLocalAllNodes(),
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
	} {
		if loopback.Addr(addr) {
			t.Errorf("Addr(%v)", addr)
		}
	}
	for _, addr := range []netip.Addr{
		netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom16(netip.AddrFrom4([4]byte{127, 0, 0, 1}).As16()),
	} {
		if !loopback.Addr(addr) {
			t.Errorf("not Addr(%v)", addr)
		}
	}
}
