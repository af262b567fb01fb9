package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// A setup is what an operator has set.
type setup struct {
	environ []string
	flags   []string
	yaml    string
	envFile string
	token   string
	origins []string
	timeout time.Duration
}

// Addresses at which nothing listens.
const (
	noHTTP = "127.0.0.1:1"
	noGRPC = "127.0.0.1:2"
)

// examine returns what the doctor finds. Without other flags no server runs, and the data
// directory is a new one.
func (s setup) examine(t *testing.T) []doctor.Finding {
	t.Helper()
	set, flags := settings.All(), pflag.NewFlagSet("doctor", pflag.ContinueOnError)
	set.AddFlags(flags)
	args := []string{"--http-addr", noHTTP, "--grpc-addr", noGRPC, "--admin-addr", "none", "--data-dir", filepath.Join(t.TempDir(), "data")}
	if s.yaml != "" {
		args = append(args, "--config", write(t, "ostiary.yaml", s.yaml))
	}
	if s.envFile != "" {
		args = append(args, "--env-file", write(t, "variables", s.envFile))
	}
	if err := flags.Parse(append(args, s.flags...)); err != nil {
		t.Fatal(err)
	}
	findings := doctor.Examine(t.Context(), doctor.Config{
		Settings: set.Load(flags, s.environ), Environ: s.environ, Token: s.token, Origins: s.origins, Timeout: s.timeout,
	})
	return findings
}

// A want is a finding that must be there.
type want struct {
	id     string
	level  doctor.Level
	remedy string // a part of it
	what   string // a part of it
}

func (w want) check(t *testing.T, findings []doctor.Finding) {
	t.Helper()
	var ids []string
	for _, finding := range findings {
		if finding.ID == w.id && finding.Level == w.level && strings.Contains(finding.Remedy, w.remedy) && strings.Contains(finding.What, w.what) {
			if finding.Level != doctor.OK && (finding.Why == "" || finding.Remedy == "") {
				t.Errorf("%+v does not say why, or what to do", finding)
			}
			return
		}
		if line, _ := json.Marshal(finding); finding.ID == w.id {
			ids = append(ids, string(line))
		} else if finding.Level != doctor.OK {
			ids = append(ids, finding.ID+": "+finding.What)
		}
	}
	t.Errorf("there is no %s %s with the remedy %q and with %q, but\n%s", w.level, w.id, w.remedy, w.what, strings.Join(ids, "\n"))
}

// none fails if there is a finding of this kind.
func none(t *testing.T, findings []doctor.Finding, level doctor.Level) {
	t.Helper()
	for _, finding := range findings {
		if finding.Level == level {
			t.Errorf("%+v", finding)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listen serves on a free port, over TLS or not.
func listen(t *testing.T, handler http.Handler) (addr string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return listener.Addr().String()
}

// serve runs a server until the test ends, and returns flags that say the same.
func serve(t *testing.T, c serversettings.Config) (addr string, flags []string) {
	t.Helper()
	c.Logger, c.DrainDelay = slog.New(slog.DiscardHandler), -1
	if c.HTTPAddr == "" {
		c.HTTPAddr = "127.0.0.1:0"
	}
	c.GRPCAddr, c.DataDir = "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	if c.AdminAddr == "" {
		c.AdminAddr = serversettings.AdminNone
	}
	srv, err := server.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	addr = srv.HTTPAddr().String()
	flags = []string{"--http-addr", addr, "--grpc-addr", srv.GRPCAddr().String(), "--data-dir", c.DataDir}
	if admin := srv.AdminAddr(); admin != nil {
		flags = append(flags, "--admin-addr", admin.String())
		awaitReady(t, admin.String())
	} else {
		awaitReady(t, addr)
	}
	return addr, flags
}

// awaitReady asks an address for operators, or one without TLS.
func awaitReady(t *testing.T, addr string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		if res, err := client.Get("http://" + addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("the server does not become ready")
		}
	}
}

// oneOf is the configuration of a server with one issuer.
func oneOf(issuer *authtest.Issuer) serversettings.Config {
	return serversettings.Config{Issuers: []serversettings.Issuer{{URL: issuer.URL()}}}
}

// pair writes a certificate that counts for this long, and its key.
func pair(t *testing.T, from, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "doctor"}, NotBefore: from, NotAfter: until,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
}
