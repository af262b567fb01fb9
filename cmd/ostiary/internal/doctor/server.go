package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/server/settings"
)

// readiness is what /readyz answers, as far as it is looked at.
type readiness struct {
	Status   string `json:"status"`
	Database struct {
		State     string `json:"state"`
		Remedy    string `json:"remedy"`
		LastError string `json:"last_error"`
	} `json:"database"`
	CertificateExpires time.Time `json:"certificate_expires"`
	Issuers            []struct {
		Issuer       string    `json:"issuer"`
		Ready        bool      `json:"ready"`
		FailingSince time.Time `json:"failing_since"`
		LastError    string    `json:"last_error"`
	} `json:"issuers"`
	Signals []struct {
		Source       string    `json:"source"`
		LastMessage  time.Time `json:"last_message"`
		LastAccepted time.Time `json:"last_accepted"`
		LastError    string    `json:"last_error"`
		Refused      int64     `json:"refused"`
		Failed       int64     `json:"failed"`
	} `json:"signals"`
}

// running is what was found at an address of the settings.
type running struct {
	base  string // the URL; "" where the address cannot be known
	state *readiness
	// err is why there was no answer, and other whether something else than an ostiary server
	// has answered.
	err   error
	other bool
	// announced says that the server expects the PROXY protocol.
	announced bool
}

// lookForServer asks the address of the settings for a server.
func (p *patient) lookForServer(ctx context.Context) running {
	c := p.Settings.Server.WithDefaults()
	schemes := []string{"http", "https"}
	if c.TLSCert != "" {
		schemes = []string{"https", "http"}
	}
	found := running{}
	for _, scheme := range schemes {
		here := ask(ctx, scheme, c.HTTPAddr, c.ProxyProtocol)
		if here.state != nil || found.base == "" {
			found = here
		}
		if here.state != nil || here.err != nil && !here.other {
			break
		}
	}
	if found.state != nil && c.AdminAddr != settings.AdminNone {
		// Operators are told more, if it is the same server.
		if admin := ask(ctx, "http", c.AdminAddr, false); admin.state != nil && slices.Equal(admin.state.issuers(), found.state.issuers()) {
			found.state = admin.state
		}
	}
	return found
}

func (r *readiness) issuers() []string {
	var urls []string
	for _, issuer := range r.Issuers {
		urls = append(urls, issuer.Issuer)
	}
	slices.Sort(urls)
	return urls
}

// ask asks an address whether an ostiary server is ready there.
func ask(ctx context.Context, scheme, addr string, announced bool) running {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return running{}
	}
	found := running{err: errors.New("there is no address")}
	for _, host := range here(host) {
		found = askURL(ctx, scheme+"://"+net.JoinHostPort(host, port), announced)
		if found.err == nil || found.other {
			return found
		}
	}
	return found
}

// here returns the hosts at which a server on this machine is reached that listens on host.
func here(host string) []string {
	switch host {
	case "", "::":
		return []string{"127.0.0.1", "::1"}
	case "0.0.0.0":
		return []string{"127.0.0.1"}
	default:
		return []string{host}
	}
}

func askURL(ctx context.Context, base string, announced bool) running {
	found := running{base: base, announced: announced}
	res, err := do(ctx, http.MethodGet, base+"/readyz", nil, announced)
	if err != nil {
		found.err = err
		found.other = !errors.Is(err, syscall.ECONNREFUSED) && !isUnreachable(err)
		return found
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	state := new(readiness)
	if err == nil && json.Unmarshal(body, state) == nil && state.Status != "" && state.Issuers != nil {
		found.state = state
		return found
	}
	found.other = true
	return found
}

// isUnreachable reports whether nothing was there to answer.
func isUnreachable(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

// do sends a request to a server on this machine, which it knows by its address and not by
// its certificate. If announced, the connection begins with a PROXY protocol header that names
// no client, as that of a proxy's own probes.
func do(ctx context.Context, method, address string, header http.Header, announced bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // nothing secret is sent, and what comes is compared with the settings
	}
	if announced {
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = io.WriteString(conn, "PROXY UNKNOWN\r\n")
			}
			return conn, err
		}
	}
	return transport.RoundTrip(req)
}

const notServing = "no call is served here"

// server looks at what listens on the addresses of the settings.
func (p *patient) server(ctx context.Context) []Finding {
	c := p.Settings.Server.WithDefaults()
	findings := append(p.loopbackOnly(c), p.foreign(c)...)
	found := p.findServer()
	name := p.Settings.NameOf("http_addr")
	switch {
	case found.state != nil:
		findings = append(findings, p.serving(found)...)
	case found.base == "":
		findings = append(findings, warning("server.port_unknown", name, "a free port was picked, so the running server is not found", "CORS and the running server were not examined", "set a port in "+name))
	case found.other && found.announced:
		findings = append(findings, warning("server.only_proxies", name, "the server accepts only its trusted proxies, of which this machine is none", "CORS and the running server were not examined",
			"add 127.0.0.1 to "+p.Settings.NameOf("trusted_proxies")+", or see /readyz on "+p.Settings.NameOf("admin_addr")))
	case found.other:
		findings = append(findings, portInUse(name, c.HTTPAddr, "it is no ostiary server"))
	default:
		findings = append(findings, warning("server.not_running", c.HTTPAddr, "no server answers", "CORS and the running server were not examined", "start it with: ostiary serve; or run the doctor where it runs, with its settings"))
	}
	return append(findings, p.otherPorts(ctx, c, found.state != nil || found.other && found.announced)...)
}

func portInUse(name, addr, why string) Finding {
	return fault("server.port_in_use", name, fmt.Sprintf("something else listens on %s: %s", addr, why), "the server does not start, or callers reach something else",
		fmt.Sprintf("end the other program (ss -ltnp names it), or set %s to another port", name))
}

// loopbackOnly finds addresses that nobody reaches from outside a container.
func (p *patient) loopbackOnly(c settings.Config) []Finding {
	if !p.inContainer() {
		return nil
	}
	var names, addrs []string
	for _, listener := range listeners(c) {
		if listener[0] != "admin_addr" && isLoopback(listener[1]) {
			names, addrs = append(names, p.Settings.NameOf(listener[0])), append(addrs, listener[1])
		}
	}
	if names == nil {
		return nil
	}
	setting := strings.Join(names, " and ")
	return []Finding{warning("server.loopback_only", setting, strings.Join(addrs, " and ")+": loopback, and this is a container",
		"nothing outside the container reaches the server, published ports do not either", "set "+setting+" to 0.0.0.0 or leave the host out, as in :8080")}
}

// listeners are the addresses of the settings, by key.
func listeners(c settings.Config) [][2]string {
	return [][2]string{{"http_addr", c.HTTPAddr}, {"grpc_addr", c.GRPCAddr}, {"signals_addr", c.SignalsAddr}, {"admin_addr", c.AdminAddr}}
}

// foreign finds addresses that are not of this machine.
func (p *patient) foreign(c settings.Config) []Finding {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var findings []Finding
	for _, listener := range listeners(c) {
		host, _, err := net.SplitHostPort(listener[1])
		ip := net.ParseIP(host)
		if err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
			continue
		}
		if !slices.ContainsFunc(own, func(addr net.Addr) bool {
			network, ok := addr.(*net.IPNet)
			return ok && network.IP.Equal(ip)
		}) {
			name := p.Settings.NameOf(listener[0])
			findings = append(findings, fault("server.address_elsewhere", name, host+" is no address of this machine", "the server does not start",
				"set "+name+" to one of its addresses, or leave the host out, as in :8080"))
		}
	}
	return findings
}

// serving compares a server that runs with the settings.
func (p *patient) serving(found running) []Finding {
	theirs := found.state.issuers()
	var ours, notReady []string
	for _, issuer := range found.state.Issuers {
		if issuer.Ready {
			continue
		}
		text := issuer.Issuer
		if !issuer.FailingSince.IsZero() {
			text += " since " + issuer.FailingSince.Format(time.RFC3339)
		}
		if issuer.LastError != "" {
			text += " (" + issuer.LastError + ")"
		}
		notReady = append(notReady, text)
	}
	for _, issuer := range p.Settings.Server.Issuers {
		ours = append(ours, issuer.URL)
	}
	slices.Sort(ours)
	var findings []Finding
	hasTLS := strings.HasPrefix(found.base, "https")
	switch {
	case !slices.Equal(theirs, ours):
		findings = append(findings, fault("server.other_settings", found.base,
			fmt.Sprintf("the server that runs has other settings: its issuers are %s, and those of the settings %s", cmp.Or(strings.Join(theirs, ", "), "none"), cmp.Or(strings.Join(ours, ", "), "none")),
			"tokens of the other issuers are refused with ISSUER_UNTRUSTED", "restart the server, since a reload does not take this over; or run the doctor with its settings: the same folder, variables, --config and --env-file"))
	case hasTLS != (p.Settings.Server.TLSCert != ""):
		findings = append(findings, fault("server.other_settings", found.base, "the server that runs has TLS where the settings have none, or the reverse",
			"callers that follow the settings do not reach it", "restart the server, or run the doctor with its settings"))
	}
	switch {
	case len(notReady) > 0:
		findings = append(findings, fault("server.not_ready", found.base, "the server has no keys of "+strings.Join(notReady, ", "), "their tokens are refused with KEYS_UNAVAILABLE",
			"see the findings about this issuer; if there are none, the server is in other surroundings than the doctor, or waits for its next try"))
	case found.state.Status != "ready":
		findings = append(findings, fault("server.not_ready", found.base, "the server says: "+found.state.Status, notServing, "see its log; one that is stopping is not ready either"))
	default:
		findings = append(findings, ok("server.running", found.base, "the server runs and is ready"))
	}
	if db := found.state.Database; db.State != "" && db.State != "ok" {
		what := "the server says that its database is " + db.State
		if db.LastError != "" {
			what += ": " + db.LastError
		}
		findings = append(findings, fault("server.database", found.base, what, "nothing can be revoked, or what others revoke is not known here", cmp.Or(db.Remedy, "see its log")))
	}
	return findings
}

// otherPorts looks at the ports besides that of http_addr.
func (p *patient) otherPorts(ctx context.Context, c settings.Config, runs bool) []Finding {
	var findings []Finding
	for _, listener := range [][2]string{{"grpc_addr", c.GRPCAddr}, {"signals_addr", c.SignalsAddr}} {
		name := p.Settings.NameOf(listener[0])
		switch answers := accepts(ctx, listener[1]); {
		case listener[1] == "" || strings.HasSuffix(listener[1], ":0"):
		case answers && !runs:
			findings = append(findings, portInUse(name, listener[1], "no server of these settings runs"))
		case !answers && runs:
			findings = append(findings, fault("server.other_settings", name, "the server that runs does not listen on "+listener[1], "calls to this address fail", "restart the server, or run the doctor with its settings"))
		}
	}
	if c.AdminAddr == settings.AdminNone || strings.HasSuffix(c.AdminAddr, ":0") {
		return findings
	}
	name := p.Settings.NameOf("admin_addr")
	admin := ask(ctx, "http", c.AdminAddr, false)
	switch {
	case admin.other:
		findings = append(findings, portInUse(name, c.AdminAddr, "it is no ostiary server"))
	case admin.state != nil && !runs:
		findings = append(findings, portInUse(name, c.AdminAddr, "it is another ostiary server; two servers on one machine need an admin_addr each"))
	case admin.state == nil && runs:
		findings = append(findings, warning("server.no_admin", name, "the server that runs does not listen on "+c.AdminAddr, "probes and Prometheus do not reach it there", "restart the server, or run the doctor with its settings"))
	}
	return findings
}

// accepts reports whether something listens on an address of this machine.
func accepts(ctx context.Context, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	for _, host := range here(host) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}
