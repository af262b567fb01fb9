package deploy_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// secrets are those that the examples of the chart name, as docs/deployment.md has them made.
var secrets = map[string]map[string]string{
	"ostiary-db-app": {"uri": "postgresql://app:secret@ostiary-db-rw:5432/app"},
	"ostiary":        {"OSTIARY_FEED_SECRET": strings.Repeat("a", 32), "CLERK_SECRET_KEY": "sk_live_" + strings.Repeat("a", 32)},
	"ostiary-relay":  {"OSTIARY_FOLLOW_SECRET": strings.Repeat("a", 32), "OSTIARY_FEED_SECRET": strings.Repeat("b", 32)},
}

// program builds the program once for all tests.
var program = sync.OnceValues(func() (path string, err error) {
	root, err := filepath.Abs("../bin/deploy-test")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("make", "--no-print-directory", "-C", "..", "image-root", "IMAGE_ROOT="+root, "VERSION=1.2.3").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make image-root: %w\n%s", err, out)
	}
	return filepath.Join(root, "usr", "bin", "ostiary"), nil
})

// A renderedServer is the container of manifests, run as a process: with its arguments and
// variables, and its volumes in a directory.
type renderedServer struct{ cmd *exec.Cmd }

func (m *manifests) serve(t *testing.T, flags ...string) *renderedServer {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := strings.NewReplacer("/etc/ostiary-tls", dir, "/etc/ostiary", dir, "/var/lib/ostiary", dir)
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range m.settings.Data {
		write(name, in.Replace(content))
	}
	certificate, key := pair(t)
	write("tls.crt", certificate)
	write("tls.key", key)

	container := m.deployment.Spec.Template.Spec.Containers[0]
	env := []string{"OSTIARY_DATA_DIR=" + dir} // of the image
	secret := func(name string) map[string]string {
		t.Helper()
		if secrets[name] == nil {
			t.Errorf("nobody has made the secret %s", name)
		}
		return secrets[name]
	}
	for _, variable := range container.Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil {
			value = secret(from.SecretKeyRef.Name)[from.SecretKeyRef.Key]
		}
		env = append(env, variable.Name+"="+value)
	}
	for _, from := range container.EnvFrom {
		for name, value := range secret(from.SecretRef.Name) {
			env = append(env, name+"="+value)
		}
	}
	var args []string
	for _, arg := range container.Args {
		args = append(args, in.Replace(arg))
	}
	args = append(args, "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0")
	s := &renderedServer{cmd: exec.Command(path, append(args, flags...)...)}
	s.cmd.Dir, s.cmd.Env = dir, env
	return s
}

// output runs the server to its end.
func (s *renderedServer) output(t *testing.T) string {
	t.Helper()
	out, err := s.cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", s.cmd.Args, err, out)
	}
	return string(out)
}

// admin starts the server, and returns its address for operators.
func (s *renderedServer) admin(t *testing.T) string {
	t.Helper()
	stderr, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if found := regexp.MustCompile(` admin=(\S+) `).FindStringSubmatch(lines.Text()); found != nil && strings.Contains(lines.Text(), "operators have an address") {
			go func() {
				for lines.Scan() { // so that the server can go on to write
				}
			}()
			return found[1]
		}
	}
	t.Fatalf("the server ended\n%s", log.String())
	return ""
}

// terminate stops the server as the kubelet does.
func (s *renderedServer) terminate(t *testing.T, grace time.Duration) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(grace, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server was to stop within %v: %v", grace, err)
	}
}

func get(t *testing.T, url string) (status int) {
	t.Helper()
	resp, err := (&http.Client{Timeout: time.Minute}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// pair returns a certificate and its key, as a Secret of type kubernetes.io/tls has them.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"ostiary"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", encoded)
}
