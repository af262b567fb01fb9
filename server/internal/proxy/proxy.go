// Package proxy finds out who calls through proxies that the operator trusts.
//
//	trusted, errs := proxy.Parse([]string{"10.0.0.0/8", "2001:db8::5"})
//	handler = trusted.Middleware(handler)                // r.RemoteAddr becomes the client
//	server := grpc.NewServer(grpc.StatsHandler(trusted)) // and so does the peer in the context
//
// Only the word of a trusted peer counts: what others write into the headers is ignored.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
)

// Trusted are the networks of proxies whose headers count. Nil trusts nobody. It is safe for
// concurrent use.
type Trusted []netip.Prefix

// Parse reads IPv4 and IPv6 addresses, and networks such as 10.0.0.0/8. Its errors name each
// entry that is none.
func Parse(entries []string) (Trusted, []error) {
	var trusted Trusted
	var errs []error
	for _, entry := range entries {
		network, err := parseNetwork(entry)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q %w", entry, err))
			continue
		}
		trusted = append(trusted, network)
	}
	return trusted, errs
}

func parseNetwork(entry string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(entry)
	if err != nil {
		addr, err := netip.ParseAddr(entry)
		if err != nil {
			return network, errors.New("is neither an address nor a network; write such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	switch addr := network.Addr(); {
	case addr.Is4In6():
		return network, errors.New("is an IPv4 address in the form of IPv6; write it as IPv4")
	case network.Bits() == 0:
		return network, errors.New("trusts everybody, so every caller could choose its address; name the networks of your proxies")
	case network != network.Masked():
		return network, fmt.Errorf("has bits beyond the network; write %s, or the address alone", network.Masked())
	}
	return network, nil
}

// Contains reports whether a peer, an address with or without a port, is trusted.
func (t Trusted) Contains(peer string) bool {
	if len(t) == 0 {
		return false
	}
	addr, ok := parseNode(peer)
	return ok && t.contains(addr.Addr().WithZone(""))
}

func (t Trusted) contains(addr netip.Addr) bool {
	for _, network := range t {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Client returns who calls: the peer itself, unless it is trusted and says for whom it calls.
// The client has a port only where the proxy names one. values returns what the peer sent of a
// header.
func (t Trusted) Client(peer string, values func(header string) []string) string {
	if !t.Contains(peer) {
		return peer
	}
	client, ok := t.forwarded(values)
	switch {
	case !ok:
		return peer
	case client.Port() == 0:
		return client.Addr().String()
	default:
		return client.String()
	}
}

type trustedKey struct{}

// FromTrusted reports whether the call of a context came from a trusted peer, so that its other
// headers count as well.
func FromTrusted(ctx context.Context) bool {
	trusted, _ := ctx.Value(trustedKey{}).(bool)
	return trusted
}

// Middleware sets the RemoteAddr of requests to the client.
func (t Trusted) Middleware(next http.Handler) http.Handler {
	if len(t) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t.Contains(r.RemoteAddr) {
			client := t.Client(r.RemoteAddr, r.Header.Values)
			r = r.WithContext(context.WithValue(r.Context(), trustedKey{}, true))
			r.RemoteAddr = client
		}
		next.ServeHTTP(w, r)
	})
}

// TagRPC sets the peer of a call's context to the client. With the methods below it implements
// stats.Handler, which grpc-go calls before every interceptor. It must be the first of them.
func (t Trusted) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	direct, ok := peer.FromContext(ctx)
	if len(t) == 0 || !ok || !t.Contains(direct.Addr.String()) {
		return ctx
	}
	client := *direct
	client.Addr = address(t.Client(direct.Addr.String(), func(header string) []string {
		return metadata.ValueFromIncomingContext(ctx, strings.ToLower(header))
	}))
	return peer.NewContext(context.WithValue(ctx, trustedKey{}, true), &client)
}

// HandleRPC does nothing.
func (Trusted) HandleRPC(context.Context, stats.RPCStats) {}

// TagConn does nothing.
func (Trusted) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (Trusted) HandleConn(context.Context, stats.ConnStats) {}

// address is that of a client, which is not the other end of a connection of ours.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
