package settings

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/server/internal/certificate"
	"github.com/ostiary/ostiary/server/internal/console"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/proxy"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// Faults returns everything that is wrong with the Config, in the order of its
// fields; nil when nothing is. It reads the files that the Config names and
// starts nothing.
func (c Config) Faults() []Fault {
	c = c.WithDefaults()
	var faults faultList
	add := faults.add
	add("http_addr", checkAddr(c.HTTPAddr))
	add("grpc_addr", checkAddr(c.GRPCAddr), c.checkAddrsDiffer())
	add("admin_addr", c.checkAdminAddr())
	add("tls_cert", c.checkTLS())
	_, errs := proxy.Parse(c.TrustedProxies)
	add("trusted_proxies", errs...)
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		add("proxy_protocol", mentionf("nobody could connect, since no proxy is trusted; set %s", settingName("trusted_proxies")))
	}
	add("resource_url", c.checkResourceURL())
	add("cors_allowed_origins", c.checkAnyOrigin())
	add("cors_allowed_origins", transport.CORS(c.CORS).OriginFaults()...)
	add("cors_allowed_headers", transport.CORS(c.CORS).HeaderFaults()...)
	add("publishable_key", console.Config{PublishableKey: c.Console.PublishableKey}.Fault())
	if c.RequestTimeout < 0 {
		add("request_timeout", errors.New("must not be negative; write a duration such as 30s"))
	}
	if c.ShutdownTimeout < 0 {
		add("shutdown_timeout", errors.New("must not be negative; write a duration such as 10s"))
	}
	for _, bound := range []struct {
		setting string
		value   int
	}{
		{"max_streams_per_subject", c.MaxStreamsPerSubject},
		{"max_streams", c.MaxStreams},
		{"max_connections", c.MaxConnections},
		{"max_connections_per_address", c.MaxConnectionsPerAddress},
	} {
		if bound.value < 0 {
			add(bound.setting, errors.New("must not be negative; write a number such as 1000"))
		}
	}
	add("database_url", ledger.CheckDatabaseURL(c.DatabaseURL))
	if c.DatabaseMaxConnections < 0 {
		add("database_max_connections", errors.New("must not be negative; write a number such as 10"))
	}
	if c.DatabaseTimeout < 0 {
		add("database_timeout", errors.New("must not be negative; write a duration such as 10s"))
	}
	if c.SessionRetention < 0 {
		add("session_retention", errors.New("must not be negative; write a duration such as 720h"))
	}
	add("decisions", c.checkDecisions())
	if c.DecisionsMaxSize < 0 {
		add("decisions_max_size", errors.New("must not be negative; write a number of MiB such as 100"))
	}
	if c.DecisionsMaxFiles < 0 {
		add("decisions_max_files", errors.New("must not be negative; write a number such as 10"))
	}
	for _, written := range c.OperatorSubjects {
		_, _, err := c.OperatorSubject(written)
		add("operator_subjects", err)
	}
	faults = append(faults, c.backendFaults()...)
	add("feed_permission", c.checkFeedPermission())
	add("feed_secret", feedFaults(c.FeedSecret)...)
	if c.FeedSecretFile != "" {
		secrets, err := secretsIn(c.FeedSecretFile)
		add("feed_secret_file", err)
		add("feed_secret_file", feedFaults(secrets)...)
	}
	faults = append(faults, c.signalFaults()...)
	faults = append(faults, c.followFaults()...)
	add("signals_transmitter_url", c.checkTransmitterURL())
	faults = append(faults, c.ruleFaults()...)
	return append(faults, c.issuerFaults()...)
}

func (c Config) issuerFaults() []Fault {
	if len(c.Issuers) == 0 {
		return []Fault{{Setting: "issuer", Err: errors.New("no issuer is given, so no token could be accepted; set it to the iss claim of your tokens, such as https://clerk.example.com")}}
	}
	var faults []Fault
	first, callbacks := make(map[string]int), make(map[string]string)
	for i, issuer := range c.Issuers {
		entry := fmt.Sprintf("issuers[%d]", i)
		for _, fault := range issuer.faults() {
			fault.Issuer = entry
			faults = append(faults, fault)
		}
		for _, name := range slices.Concat(issuer.Names(), issuer.Aliases) {
			if j, again := first[name]; again && j != i && name != "" {
				faults = append(faults, Fault{Issuer: entry, Setting: "url", Err: fmt.Errorf("%s is issuers[%d] already; merge the two", name, j)})
				continue
			}
			first[name] = i
		}
		if callback := strings.ToLower(issuer.ConsoleCallback()); issuer.Console.ClientID != "" {
			if other, taken := callbacks[callback]; taken && other != issuer.URL {
				faults = append(faults, Fault{Issuer: entry, Setting: "console_client_id", Err: fmt.Errorf("would have the redirect URI of %s, %s, so one of them could take the sign-in at the other; remove one of the two", other, issuer.ConsoleCallback())})
			}
			callbacks[callback] = issuer.URL
		}
	}
	return faults
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port or :port, such as 127.0.0.1:8080", addr)
	}
	return nil
}

func (c Config) checkAddrsDiffer() error {
	_, port, _ := net.SplitHostPort(c.HTTPAddr)
	if c.HTTPListener == nil && c.HTTPAddr == c.GRPCAddr && port != "0" {
		return mentionf("%s is %s already; the two listeners need a port each", c.GRPCAddr, settingName("http_addr"))
	}
	return nil
}

func (c Config) checkAdminAddr() error {
	if c.AdminAddr == AdminNone {
		if c.Profiling {
			return mentionf("there is no such listener, though %s is on; give an address, or turn it off", settingName("profiling"))
		}
		return nil
	}
	if err := checkAddr(c.AdminAddr); err != nil {
		return fmt.Errorf("%w; or none", err)
	}
	return c.checkOwnPort(c.AdminAddr)
}

func (c Config) checkDecisions() error {
	if c.Decisions == DecisionsNone || c.Decisions == DecisionsStdout {
		return nil
	}
	return decisions.CheckFile(c.Decisions)
}

// checkOwnPort finds an address that is that of a public listener.
func (c Config) checkOwnPort(addr string) error {
	if strings.HasSuffix(addr, ":0") {
		return nil
	}
	for setting, public := range map[settingName]string{"http_addr": c.HTTPAddr, "grpc_addr": c.GRPCAddr, "signals_addr": c.SignalsAddr} {
		if public == addr && (setting != "http_addr" || c.HTTPListener == nil) {
			return mentionf("%s is %s already; it needs a port of its own", addr, setting)
		}
	}
	return nil
}

func (c Config) checkAnyOrigin() error {
	if slices.Contains(c.CORS.AllowedOrigins, "*") && !c.CORS.WithoutCredentials {
		return mentionf("* with credentials would let every web page call as its visitor; name the origins, or turn off %s", settingName("cors_allow_credentials"))
	}
	return nil
}

func (c Config) checkTLS() error {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return nil
	case c.TLSKey == "":
		return mentionf("a certificate without its key; set %s too", settingName("tls_key"))
	case c.TLSCert == "":
		return mentionf("missing, though %s is set; set both or neither", settingName("tls_key"))
	}
	if _, err := certificate.Load(c.TLSCert, c.TLSKey, c.Now()); err != nil {
		return mentionf("cannot use the pair of %s and %s: %w", settingName("tls_cert"), settingName("tls_key"), err)
	}
	return nil
}
