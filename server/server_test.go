package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

func TestNewStartsNothingOnAFault(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(t.Context(), settings.Config{HTTPListener: listener})
	var wrong *settings.Error
	if srv != nil || !errors.As(err, &wrong) || len(wrong.Faults) != 1 {
		t.Fatalf("New: %v, %v; want an Error of one fault", srv, err)
	}
	if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open")
	}
}

func TestNewNamesAnAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	issuer := authtest.Start(t)
	for name, c := range map[string]settings.Config{
		"http_addr":  {HTTPAddr: taken.Addr().String(), GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone},
		"grpc_addr":  {HTTPAddr: "127.0.0.1:0", GRPCAddr: taken.Addr().String(), AdminAddr: settings.AdminNone},
		"admin_addr": {HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: taken.Addr().String()},
	} {
		c.Issuers = []settings.Issuer{{URL: issuer.URL(), AllowAnyAudience: true}}
		c.DataDir = t.TempDir()
		_, err := New(t.Context(), c)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v; want that the address is in use", name, err)
		}
	}
}

func TestAServerThatIsNotRunCanBeClosed(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	srv, err := New(t.Context(), settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DataDir: t.TempDir(),
		Issuers: []settings.Issuer{{URL: issuer.URL(), AllowAnyAudience: true}},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(srv.Close(), srv.Close()); err != nil {
		t.Error(err)
	}
}

func TestTLSOnBothListeners(t *testing.T) {
	t.Parallel()
	cert, key, roots := selfSigned(t)
	r := start(t, func(c *settings.Config) { c.TLSCert, c.TLSKey = cert, key })
	token := r.issuer.Session("user_ada")
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}

	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"https://"+r.HTTPAddr().String()+identityv1connect.IdentityServiceWhoAmIProcedure, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	bearer(token).set(req.Header)
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%s over %s; want 200 over HTTP/2", res.Status, res.Proto)
	}

	conn := r.grpcConn(t, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	if _, err := identityv1.NewIdentityServiceClient(conn).WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err != nil {
		t.Errorf("natively: %v", err)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, label string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8), roots
}

// A server with one of its listeners gone is not left running half.
func TestRunEndsWithTheErrorOfAListener(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	for name, listener := range map[string]func(*Server) net.Listener{
		"HTTP": func(s *Server) net.Listener { return s.httpListener },
		"gRPC": func(s *Server) net.Listener { return s.grpcListener },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := New(t.Context(), settings.Config{
				HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DataDir: t.TempDir(),
				Issuers: []settings.Issuer{{URL: issuer.URL(), AllowAnyAudience: true}},
				Logger:  slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := listener(srv).Close(); err != nil {
				t.Fatal(err)
			}
			if err := srv.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Run returned %v; want %v", err, net.ErrClosed)
			}
			for name, addr := range map[string]net.Addr{"HTTP": srv.HTTPAddr(), "gRPC": srv.GRPCAddr()} {
				if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String()); err == nil {
					_ = conn.Close()
					t.Errorf("the %s listener is still open", name)
				}
			}
		})
	}
}

func TestStoppingCutsOffCallsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	r := start(t, func(c *settings.Config) {
		c.ShutdownTimeout = 50 * time.Millisecond
		c.Routes = map[string]http.Handler{"/stuck": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		})}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/stuck", nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	client := httpClient(t, true)
	go func() {
		defer close(answered)
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-entered
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run returned %v; want nil", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s; want about 50ms", took)
	}
	<-answered
	if !contains(r.log, "level=WARN", "cutting off calls") {
		t.Error("the log does not say that calls were cut off")
	}
}

func TestACallInProgressMayFinish(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *settings.Config) {
		c.Routes = map[string]http.Handler{"/slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			w.WriteHeader(http.StatusTeapot)
		})}
	})
	type answer struct {
		code int
		err  error
	}
	answers := make(chan answer, 1)
	client := httpClient(t, false)
	go func() {
		res, err := client.Get(r.url + "/slow")
		if err != nil {
			answers <- answer{0, err}
			return
		}
		_ = res.Body.Close()
		answers <- answer{res.StatusCode, nil}
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	<-r.stopping
	close(release)
	if got := <-answers; got.code != http.StatusTeapot {
		t.Errorf("the call under way got %d, %v; want %d", got.code, got.err, http.StatusTeapot)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAServerThatCannotListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for setting, edit := range map[string]func(*settings.Config){
		"http_addr":  func(c *settings.Config) { c.HTTPAddr = taken.Addr().String() },
		"grpc_addr":  func(c *settings.Config) { c.GRPCAddr = taken.Addr().String() },
		"admin_addr": func(c *settings.Config) { c.AdminAddr = taken.Addr().String() },
	} {
		config := settings.Config{
			HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DataDir: t.TempDir(),
			Issuers: []settings.Issuer{{URL: "http://127.0.0.1:1", AllowAnyAudience: true}},
		}
		edit(&config)
		_, err := New(t.Context(), config)
		if err == nil || !strings.HasPrefix(err.Error(), setting+": cannot be listened on: ") || !strings.Contains(err.Error(), "stop the program that has it, or choose another address") {
			t.Errorf("%s: %v; want the setting, why, and the remedy", setting, err)
		}
	}
}
