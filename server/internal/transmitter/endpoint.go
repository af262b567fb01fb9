package transmitter

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/internal/loopback"
)

// attemptTimeout bounds one attempt to deliver an event, the answer included.
const attemptTimeout = 10 * time.Second

// maxEndpointBytes bounds the URL of a receiver.
const maxEndpointBytes = 2048

var errPrivateAddress = errors.New("the address of the endpoint is not a public one")

// checkEndpoint returns what is wrong with the URL that a receiver names. Where a name leads
// is checked with each connection.
func checkEndpoint(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(raw) > maxEndpointBytes || u.Opaque != "" {
		return errors.New("endpoint_url must be an absolute URL without user and fragment, such as https://receiver.example.com/events")
	}
	local := loopback.Host(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || !local || !allowPrivate) {
		return errors.New("endpoint_url must begin with https://")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if !allowPrivate && (local || err == nil && !public(addr)) {
		return errors.New("endpoint_url must not be on this machine or in a private network")
	}
	return nil
}

// special are the networks that do not belong to the internet, beside those that netip
// knows, or that lead to addresses of IPv4 (RFC 6890).
var special = func() (all []netip.Prefix) {
	for _, prefix := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		all = append(all, netip.MustParsePrefix(prefix))
	}
	return all
}()

// public reports whether an address is on the internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// newClient returns a client for the endpoints of receivers. It follows no redirects and
// asks no proxy, which would connect to addresses that it does not see.
func newClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: attemptTimeout}
	if !allowPrivate {
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil || !public(addr.Addr()) {
				return errPrivateAddress
			}
			return nil
		}
	}
	return &http.Client{
		Timeout:       attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    attemptTimeout,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConnsPerHost:    atOnce,
			MaxIdleConns:           2 * maxStreams,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
		},
	}
}
