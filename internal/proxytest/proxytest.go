// Package proxytest starts the proxies of deploy/proxies that are installed on this machine, in
// front of servers that a test runs.
//
//	proxy := proxytest.Start(t, proxytest.HAProxy, []proxytest.Server{{HTTP: "127.0.0.1:4711", GRPC: "127.0.0.1:4712"}})
//	client := &http.Client{Transport: &http.Transport{TLSClientConfig: proxy.TLS, ForceAttemptHTTP2: true}}
//	response, err := client.Get(proxy.URL + "/readyz")
//
// The configurations are those files, but for what a test must choose: addresses, the paths of
// certificates, and what else the test says.
package proxytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testprogram"
)

// startsWithin is how long a proxy may take until it listens.
const startsWithin = 30 * time.Second

// A Server is one behind the proxy, by the addresses of its ports, host:port.
type Server struct{ HTTP, GRPC string }

// A Proxy runs until its test ends.
type Proxy struct {
	// Addr is where it listens, and URL the same for clients, with https. Both the HTTP port and
	// the gRPC port of the servers are behind it.
	Addr, URL string
	// TLS is the configuration of its clients, which must not change it.
	TLS *tls.Config

	log log
}

// Log returns what the proxy has printed.
func (p *Proxy) Log() string { return p.log.String() }

// Start starts a proxy with the file of its kind, in front of one or two servers. The edits are
// pairs of texts of the file and what to put in their place. The test is skipped where the proxy
// is not installed, unless it runs in CI.
func Start(t testing.TB, kind Kind, servers []Server, edits ...string) *Proxy {
	t.Helper()
	program := find(t, kind)
	config := read(t, kind.File)
	for range 3 {
		p := new(Proxy)
		if p.start(t, kind, program, config, servers, edits) {
			return p
		}
		t.Logf("%s has ended, perhaps since its port was taken; it has printed:\n%s", kind.program, p.Log())
	}
	t.Fatalf("%s does not start", kind.program)
	return nil
}

func find(t testing.TB, kind Kind) string {
	t.Helper()
	for _, name := range []string{kind.program, "/usr/sbin/" + kind.program} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	testprogram.Missing(t, kind.program+" is missing; install the package "+kind.debian)
	return ""
}

// read reads a file of deploy/proxies, from wherever in the repository the test runs.
func read(t testing.TB, file string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "deploy", "proxies", file))
		if err == nil {
			return string(text)
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("deploy/proxies/%s is in no directory above: %v", file, err)
		}
		dir = filepath.Dir(dir)
	}
}

// start returns false if the proxy ends by itself.
func (p *Proxy) start(t testing.TB, kind Kind, program, config string, servers []Server, edits []string) bool {
	t.Helper()
	dir := t.TempDir()
	p.Addr = freeAddress(t)
	_, port, _ := net.SplitHostPort(p.Addr)
	p.URL = "https://localhost:" + port
	p.TLS = WriteCertificate(t, dir)
	first, last := servers[0], servers[len(servers)-1]
	config = strings.NewReplacer(
		"api.example.com", "localhost", "grpc.example.com", "grpc.localhost",
		"/etc/ssl/ostiary/", dir+"/",
		"10.0.0.11:8080", first.HTTP, "10.0.0.11:9090", first.GRPC,
		"10.0.0.12:8080", last.HTTP, "10.0.0.12:9090", last.GRPC,
	).Replace(config)
	edits = append(kind.edits(dir, p.Addr, first), edits...)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(config, edits[i]) {
			t.Fatalf("deploy/proxies/%s has no %q", kind.File, edits[i])
		}
		config = strings.ReplaceAll(config, edits[i], edits[i+1])
	}
	path := filepath.Join(dir, kind.File)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, program, kind.arguments(dir, path)...) //nolint:gosec // a program of ours
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second // then it is killed
	command.Dir, command.Stdout, command.Stderr = dir, &p.log, &p.log
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-exited
		if t.Failed() {
			t.Logf("%s has printed:\n%s", kind.program, p.Log())
		}
	})
	return p.listens(t, exited)
}

func (p *Proxy) listens(t testing.TB, exited <-chan struct{}) bool {
	t.Helper()
	deadline := time.NewTimer(startsWithin)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr); err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-tick.C:
		case <-exited:
			return false
		case <-deadline.C:
			t.Fatalf("the proxy does not listen; it has printed:\n%s", p.Log())
		}
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// A log is read while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
