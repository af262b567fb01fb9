package processtest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// examined runs the doctor as a process of its own, and returns what it finds.
func examined(t *testing.T, program *exec.Cmd, environ ...string) []doctor.Finding {
	t.Helper()
	program.Args = append(program.Args, "doctor", "--output", "json", "--http-addr", "127.0.0.1:1", "--grpc-addr", "127.0.0.1:2", "--admin-addr", "none")
	program.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	out, err := program.Output()
	var status *exec.ExitError
	if err != nil && (!errors.As(err, &status) || status.ExitCode() != 1) {
		t.Fatalf("%v: %s", err, out)
	}
	var report struct {
		Findings []doctor.Finding `json:"findings"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return report.Findings
}

// mustFind fails unless there is a finding with this id, and parts of its texts.
func mustFind(t *testing.T, findings []doctor.Finding, id, what, remedy string) {
	t.Helper()
	if !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
		return f.ID == id && strings.Contains(f.What, what) && strings.Contains(f.Remedy, remedy)
	}) {
		t.Errorf("no %s with %q and %q in %+v", id, what, remedy, findings)
	}
}

// The issuer is reached through the proxy of the environment, which alone knows its name.
func TestDoctorUsesTheProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	issuer := authtest.New("http://idp.invalid")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Host == "idp.invalid":
			issuer.ServeHTTP(w, r)
		default:
			w.WriteHeader(http.StatusProxyAuthRequired)
		}
	}))
	t.Cleanup(proxy.Close)
	for name, test := range map[string]struct {
		issuer, without  string
		id, what, remedy string
	}{
		"through it":            {"http://idp.invalid", "", "issuer.keys", "through the proxy " + proxy.URL, ""},
		"without it":            {"http://idp.invalid", "idp.invalid", "issuer.dns", "idp.invalid cannot be resolved", "correct the name"},
		"it wants a password":   {"http://other.invalid", "", "issuer.proxy_refuses", "with status 407", "NO_PROXY"},
		"it refuses to connect": {"https://idp.invalid", "", "issuer.proxy_refuses", "with status 403", "allow idp.invalid at the proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "ostiary")
			cmd.Dir = t.TempDir()
			mustFind(t, examined(t, cmd, "OSTIARY_ISSUER="+test.issuer, "OSTIARY_AUDIENCES=api", "OSTIARY_INSECURE_HTTP=true",
				"HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY="+test.without), test.id, test.what, test.remedy)
		})
	}
}

// runAs copies the program to where another user may run it.
func runAs(ctx context.Context, t *testing.T) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("ostiary")
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(filepath.Join(dir, "ostiary"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, to.Name())
	cmd.Dir = "/"
	return cmd
}
