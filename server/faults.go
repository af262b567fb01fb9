package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/server/internal/console"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// A ConfigError is everything that is wrong with a Config.
type ConfigError struct{ Faults []Fault }

// Error returns the faults, a line for each.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of the faults.
func (e *ConfigError) Unwrap() []error {
	errs := make([]error, len(e.Faults))
	for i, fault := range e.Faults {
		errs[i] = fault.Err
	}
	return errs
}

// A Fault is one thing that is wrong with a Config.
type Fault struct {
	// Setting names the place as a configuration file does: http_addr,
	// issuers[1].jwks_url, or rules[/grpc.health.v1.Health/Watch]. Where the fault
	// is in the schema it is the file there, with the line where that is known:
	// acme/note/v1/note.proto:12.
	Setting string
	// Err says what is wrong and what to do about it. It names other settings
	// between backticks.
	Err error
}

// String returns the setting and what is wrong with it.
func (f Fault) String() string { return f.Setting + ": " + f.Err.Error() }

// Faults returns everything that is wrong with the Config, in the order of its
// fields; nil when nothing is. It reads the files that the Config names and
// starts nothing.
func (c Config) Faults() []Fault {
	c = c.WithDefaults()
	var faults []Fault
	add := func(setting string, errs ...error) {
		for _, err := range errs {
			if err != nil {
				faults = append(faults, Fault{Setting: setting, Err: err})
			}
		}
	}
	add("http_addr", checkAddr(c.HTTPAddr))
	add("grpc_addr", checkAddr(c.GRPCAddr), c.checkAddrsDiffer())
	add("tls_cert", c.checkTLS())
	add("cors_allowed_origins", transport.CORS(c.CORS).Faults()...)
	add("publishable_key", console.Config(c.Console).Fault())
	if c.ShutdownTimeout < 0 {
		add("shutdown_timeout", errors.New("must not be negative; write a duration such as 10s"))
	}
	add("database_url", ledger.CheckDatabaseURL(c.DatabaseURL))
	if c.SessionRetention < 0 {
		add("session_retention", errors.New("must not be negative; write a duration such as 720h"))
	}
	for _, written := range c.OperatorSubjects {
		_, err := c.operatorSubject(written)
		add("operator_subjects", err)
	}
	faults = append(faults, c.ruleFaults()...)
	return append(faults, c.issuerFaults()...)
}

func (c Config) issuerFaults() []Fault {
	if len(c.Issuers) == 0 {
		return []Fault{{"issuer", errors.New("no issuer is given, so no token could be accepted; set it to the iss claim of your tokens, such as https://clerk.example.com")}}
	}
	var faults []Fault
	first := make(map[string]int)
	for i, issuer := range c.Issuers {
		prefix := fmt.Sprintf("issuers[%d].", i)
		for _, fault := range issuer.faults() {
			faults = append(faults, Fault{prefix + fault.Setting, fault.Err})
		}
		if j, again := first[issuer.URL]; again && issuer.URL != "" {
			faults = append(faults, Fault{prefix + "url", fmt.Errorf("%s is issuers[%d] already; merge the two", issuer.URL, j)})
			continue
		}
		first[issuer.URL] = i
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
		return fmt.Errorf("%s is `http_addr` already; the two listeners need a port each", c.GRPCAddr)
	}
	return nil
}

func (c Config) checkTLS() error {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return nil
	case c.TLSKey == "":
		return errors.New("a certificate without its key; set `tls_key` too")
	case c.TLSCert == "":
		return errors.New("missing, though `tls_key` is set; set both or neither")
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		return fmt.Errorf("cannot use the pair of `tls_cert` and `tls_key`: %w", err)
	}
	return nil
}
