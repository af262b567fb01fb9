// Package renewal says by when a TLS certificate should have been renewed.
//
//	late := time.Now().After(renewal.Due(certificate))
package renewal

import (
	"crypto/x509"
	"time"
)

// Due returns the time from which on it is alarming that a certificate was not renewed: 14 days before
// it expires, or a third of its lifetime where that is shorter. Certificates of 90 days are usually renewed
// 30 days before, and those of a day or a week after half of it to two thirds.
func Due(certificate *x509.Certificate) time.Time {
	third := certificate.NotAfter.Sub(certificate.NotBefore) / 3
	return certificate.NotAfter.Add(-min(third, 14*24*time.Hour))
}
