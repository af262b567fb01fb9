package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/renewal"
)

// certificate looks at the pair of tls_cert and tls_key.
func (p *patient) certificate(context.Context) []Finding {
	cert, key := p.Settings.Server.TLSCert, p.Settings.Server.TLSKey
	certName, keyName := p.Settings.NameOf("tls_cert"), p.Settings.NameOf("tls_key")
	const notStarting = "the server does not start with it; one that runs keeps the pair that it has"
	switch {
	case cert == "" && key == "":
		return []Finding{ok("tls.none", "", "no certificate is set: both addresses serve plaintext, which belongs behind a proxy or on loopback")}
	case cert == "" || key == "":
		return []Finding{fault("tls.half", certName, "only one of certificate and key is set", notStarting, fmt.Sprintf("set both %s and %s, or neither", certName, keyName))}
	}
	for _, file := range [][2]string{{certName, cert}, {keyName, key}} {
		if opened, err := os.Open(file[1]); err != nil {
			return []Finding{fault("tls.unreadable", file[1], fmt.Sprintf("cannot be read: %v", err), notStarting, fmt.Sprintf("correct %s, or let user %d read the file", file[0], os.Geteuid()))}
		} else if err := opened.Close(); err != nil {
			return nil
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err != nil && strings.Contains(err.Error(), "does not match"):
		return []Finding{fault("tls.mismatch", cert, "the private key does not belong to the certificate", notStarting, fmt.Sprintf("name the key of this certificate in %s, and the server's own certificate first in %s", keyName, certName))}
	case err != nil:
		return []Finding{fault("tls.unusable", cert, err.Error(), notStarting, "write the certificate chain and the key in PEM")}
	}
	return p.lifetime(pair, time.Now())
}

// lifetime looks at when the certificate counts.
func (p *patient) lifetime(pair tls.Certificate, now time.Time) []Finding {
	cert, leaf := p.Settings.Server.TLSCert, pair.Leaf
	ends := leaf.NotAfter.Format(time.RFC3339)
	switch {
	case now.After(leaf.NotAfter):
		return []Finding{fault("tls.expired", cert, "the certificate expired on "+ends, "clients refuse the connection, and the server does not start with it", "renew it in place; the server reads the files again every few seconds")}
	case now.Before(leaf.NotBefore):
		return []Finding{fault("tls.not_yet_valid", cert, "the certificate counts only from "+leaf.NotBefore.Format(time.RFC3339), "clients refuse the connection, and the server does not start with it", "set the clock of this machine right, or wait")}
	case now.After(renewal.Due(leaf)):
		return []Finding{warning("tls.expires_soon", cert, "the certificate expires on "+ends+", and was not renewed", "clients refuse the connection from then on", "see why it was not renewed, and renew it in place")}
	}
	findings := []Finding{ok("tls.pair", cert, "it matches its key, and expires on "+ends)}
	if found := p.findServer(); found.state != nil && !found.state.CertificateExpires.IsZero() && !found.state.CertificateExpires.Equal(leaf.NotAfter) {
		findings = append(findings, warning("tls.not_in_use", cert, "the running server has another certificate, which expires on "+found.state.CertificateExpires.Format(time.RFC3339),
			"clients get the other one", "compare the settings with those of the server; it reads the files again every few seconds, and its log says why one is not taken"))
	}
	return findings
}
