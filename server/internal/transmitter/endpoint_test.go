package transmitter

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()
	const anywhere, private, never = "anywhere", "where private addresses are allowed", "never"
	for endpoint, want := range map[string]string{
		"https://receiver.example.com/events?a=b": anywhere,
		"https://receiver.example.com:8443/":      anywhere,
		"https://9.9.9.9/":                        anywhere,
		"https://[2620:fe::fe]/":                  anywhere,

		"http://127.0.0.1:8080/":        private,
		"http://localhost/":             private,
		"https://localhost/":            private,
		"https://127.0.0.1/":            private,
		"https://10.1.2.3/":             private,
		"https://169.254.169.254/":      private,
		"https://[::1]/":                private,
		"https://[::ffff:10.0.0.1]/":    private,
		"https://[fd00::1]/":            private,
		"https://[64:ff9b::a00:1]/":     private,
		"https://0.0.0.0/":              private,
		"https://[fe80::1%25eth0]/":     private,
		"https://100.64.0.1/":           private,
		"https://192.168.1.1/":          private,
		"https://224.0.0.1/":            private,
		"https://[2002:a00:1::]/events": private,

		"":                                    never,
		"receiver.example.com":                never,
		"/events":                             never,
		"https:///events":                     never,
		"https:receiver.example.com":          never,
		"http://receiver.example.com/":        never,
		"http://10.1.2.3/":                    never,
		"ftp://receiver.example.com/":         never,
		"file:///etc/passwd":                  never,
		"https://ada:secret@receiver.example": never,
		"https://receiver.example.com/#a":     never,
		"https://receiver.example.com/\n":     never,
		"https://receiver.example.com/" + strings.Repeat("x", maxEndpointBytes): never,
	} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			if err := checkEndpoint(endpoint, false); (err == nil) != (want == anywhere) {
				t.Errorf("%v; want it accepted %s", err, want)
			}
			if err := checkEndpoint(endpoint, true); (err == nil) != (want != never) {
				t.Errorf("where private addresses are allowed: %v; want it accepted %s", err, want)
			}
		})
	}
}

func TestAddressesOnTheInternet(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "2620:fe::fe": true, "2a00::1": true,
		"0.0.0.0": false, "127.0.0.1": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.0.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "100.127.255.255": false, "192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true, "fe80::1": false, "fe80::1%eth0": false, "2620:fe::fe%eth0": false,
		"fc00::1": false, "fd12::1": false, "fec0::1": false, "ff02::1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "2002:7f00:1::1": false, "2001::1": false, "2001:db8::1": false, "100::1": false,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("public(%s) = %v; want %v", addr, got, want)
		}
	}
}

func TestNoConnectionLeadsIntoAPrivateNetwork(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t)
	for name, url := range map[string]string{
		"an address": receiver.URL,
		"a name":     strings.Replace(receiver.URL, "127.0.0.1", "localhost", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(false)
			defer client.CloseIdleConnections()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err == nil {
				_ = res.Body.Close()
			}
			if !errors.Is(err, errPrivateAddress) {
				t.Errorf("%v; want %v", err, errPrivateAddress)
			}
			if got := unreachable(err); got != errPrivateAddress.Error() {
				t.Errorf("the owner is told %q", got)
			}
		})
	}
}

func TestACertificateThatIsNotAcceptedIsSaid(t *testing.T) {
	t.Parallel()
	expired := httptest.NewUnstartedServer(http.NotFoundHandler())
	expired.TLS = &tls.Config{Certificates: []tls.Certificate{certificateUntil(t, time.Now().Add(-time.Hour))}}
	expired.Config.ErrorLog = log.New(io.Discard, "", 0)
	expired.StartTLS()
	t.Cleanup(expired.Close)
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = expired.Config.ErrorLog
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	roots := x509.NewCertPool()
	roots.AddCert(expired.TLS.Certificates[0].Leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	for what, url := range map[string]string{"one that has expired": expired.URL, "one of an unknown authority": stranger.URL} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		if got := unreachable(err); got != "its certificate is not accepted" {
			t.Errorf("%s: %v is %q", what, err, got)
		}
	}
}

func certificateUntil(t *testing.T, end time.Time) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}
