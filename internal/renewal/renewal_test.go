package renewal_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/renewal"
)

func TestDueComesLateInTheLifetime(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	made := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for lifetime, want := range map[time.Duration]time.Duration{
		400 * day: 386 * day, 90 * day: 76 * day, 42 * day: 28 * day, 6 * day: 4 * day, 24 * time.Hour: 16 * time.Hour, 0: 0,
	} {
		got := renewal.Due(&x509.Certificate{NotBefore: made, NotAfter: made.Add(lifetime)})
		if got.Sub(made) != want {
			t.Errorf("of a certificate of %v it is due after %v; want %v", lifetime, got.Sub(made), want)
		}
	}
}
