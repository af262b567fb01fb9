package devissuer

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/ostiary/ostiary/internal/loopback"
)

// The reasons to refuse a request. The caller receives the text.
var (
	errRemote  = errors.New("the development issuer answers only the machine that it runs on")
	errProxied = errors.New("the development issuer does not answer through a proxy: call it directly")
	errHost    = errors.New("the development issuer answers only to a loopback name: use localhost, 127.0.0.1 or [::1]")
	errOrigin  = errors.New("the development issuer answers no web page from elsewhere: open the page on localhost")
)

// AllowRemote has the issuer answer other machines too, where they call it by a
// loopback name or by one of hosts, such as the name of a container. Pages on hosts may
// call as well. EVERYBODY WHO REACHES THE ISSUER THEN GETS AN ADMINISTRATOR'S TOKEN: it is
// for a private network with nobody else in it. Call it before the issuer serves.
func (iss *Issuer) AllowRemote(hosts ...string) {
	iss.remote, iss.hosts = true, hosts
}

// checkCaller refuses whatever does not come from this machine by its own will, or from
// those whom AllowRemote lets in.
func (iss *Issuer) checkCaller(r *http.Request) error {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if !iss.remote && (err != nil || !loopback.Addr(peer.Addr())) {
		return errRemote
	}
	// A tunnel on this machine comes from loopback, and may rewrite Host, but
	// says for whom it asks.
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if len(r.Header.Values(name)) > 0 {
			return errProxied
		}
	}
	// A page of attacker.example whose name now resolves to 127.0.0.1 is of one
	// origin with us as far as its browser knows. The name gives it away.
	if !iss.known((&url.URL{Host: r.Host}).Hostname()) {
		return errHost
	}
	for _, origin := range r.Header.Values("Origin") {
		page, err := url.Parse(origin)
		if err != nil || !iss.known(page.Hostname()) {
			return errOrigin
		}
	}
	return nil
}

func (iss *Issuer) known(host string) bool {
	return loopback.Host(host) || slices.Contains(iss.hosts, host)
}
