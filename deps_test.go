// Package ostiary_test holds the rules of who may import whom.
package ostiary_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ostiary/ostiary"

// mayImport says, for each folder, which packages of this module its non-test
// code may import, as patterns of path.Match. A folder that is not listed may
// not exist.
var mayImport = map[string][]string{
	"gen/ostiary/*/v1":            {"gen/ostiary/*/v1"},
	"gen/ostiary/*/v1/*v1connect": {"gen/ostiary/*/v1"},

	"internal/generate":                {"gen/ostiary/*/v1"},
	"internal/licenses":                nil,
	"internal/decodefault":             nil,
	"internal/disk":                    nil,
	"internal/fleet":                   {"interceptors/authtest"},
	"internal/logsample":               nil,
	"internal/logtext":                 nil,
	"internal/loopback":                nil,
	"internal/pgserver":                nil,
	"internal/proxytest":               {"internal/testprogram"},
	"internal/renewal":                 nil,
	"internal/testprogram":             nil,
	"interceptors/internal/guardtest":  {"interceptors/auth"},
	"interceptors/internal/http1":      nil,
	"interceptors/internal/ownfile":    nil,
	"interceptors/internal/refusal":    {"interceptors/auth"},
	"interceptors/internal/strictjson": nil,

	"interceptors/auth":       {"interceptors/internal/lease", "internal/logsample", "internal/logtext"},
	"interceptors/authclient": {"interceptors/auth", "internal/loopback"},
	"interceptors/jwks":       {"internal/loopback", "interceptors/internal/ownfile"},
	"interceptors/token": {
		"interceptors/auth", "interceptors/jwks", "interceptors/internal/strictjson", "interceptors/token/internal/*", "internal/logtext",
	},
	"interceptors/token/internal/claims":   {"interceptors/auth", "interceptors/internal/strictjson"},
	"interceptors/token/internal/provider": {"interceptors/auth", "interceptors/internal/strictjson", "interceptors/token/internal/claims"},
	"interceptors/policy":                  {"internal/logtext", "interceptors/auth", "interceptors/internal/ruleschema", "gen/ostiary/policy/v1"},
	"interceptors/revocation":              {"interceptors/auth", "internal/logtext"},
	"interceptors/feed": {
		"interceptors/auth", "interceptors/authclient", "interceptors/connectauth", "interceptors/revocation", "interceptors/internal/ownfile",
		"internal/loopback", "gen/ostiary/decision/v1", "gen/ostiary/feed/v1", "gen/ostiary/feed/v1/feedv1connect", "gen/ostiary/identity/v1", "gen/ostiary/policy/v1",
		"gen/ostiary/revocation/v1",
	},
	"interceptors/signals":     {"interceptors/auth", "interceptors/authclient", "interceptors/jwks", "interceptors/revocation", "interceptors/token", "interceptors/internal/strictjson", "internal/loopback"},
	"interceptors/connectauth": {"internal/decodefault", "interceptors/auth", "interceptors/authclient", "interceptors/policy", "interceptors/internal/http1", "interceptors/internal/refusal", "internal/loopback"},
	"interceptors/grpcauth":    {"interceptors/auth", "interceptors/authclient", "interceptors/internal/lease", "interceptors/internal/refusal", "interceptors/policy", "internal/loopback"},
	"interceptors/httpauth":    {"interceptors/auth", "interceptors/policy", "interceptors/internal/http1", "internal/loopback"},
	"interceptors/authtest":    {"interceptors/auth", "interceptors/jwks", "interceptors/policy", "interceptors/revocation", "interceptors/token"},

	// Modules of their own. A gateway is a handler of net/http.
	"interceptors/gatewayauth":                  {"interceptors/auth", "interceptors/httpauth", "interceptors/policy", "interceptors/internal/refusal"},
	"interceptors/gatewayauth/internal/shelfv1": {"gen/ostiary/policy/v1"},
	"interceptors/otelauth":                     {"interceptors/auth"},
	"interceptors/interop":                      nil, // only tests

	"interceptors/policy/condition": {
		"interceptors/auth", "interceptors/policy", "interceptors/internal/reads", "interceptors/internal/ruleschema",
		"interceptors/internal/strictjson",
	},
	"interceptors/policydiff": {
		"interceptors/auth", "interceptors/policy", "interceptors/internal/reads", "interceptors/internal/ruleschema",
		"gen/ostiary/policy/v1",
	},
	"interceptors/internal/lease":      nil,
	"interceptors/internal/reads":      {"interceptors/internal/ruleschema"},
	"interceptors/internal/ruleschema": {"interceptors/auth", "gen/ostiary/policy/v1"},
	"interceptors/internal/schematest": {"interceptors/auth", "interceptors/policy", "interceptors/policy/condition", "gen/ostiary/policy/v1"},

	"server/devissuer":                      {"interceptors/authtest", "internal/loopback", "server/internal/transport"},
	"server/internal/rpcerror":              {"internal/logtext", "interceptors/auth", "gen/ostiary/error/v1"},
	"server/internal/position":              {"server/internal/rpcerror", "gen/ostiary/error/v1"},
	"server/internal/revokedlog":            {"interceptors/auth", "interceptors/revocation", "internal/logtext", "server/internal/store"},
	"server/internal/store":                 nil,
	"server/internal/store/*":               {"server/internal/store"},
	"server/internal/store/postgres":        {"internal/loopback", "server/internal/store"},
	"server/internal/store/postgres/pgtest": {"internal/pgserver", "internal/testprogram"},
	"server/internal/transport":             {"internal/decodefault", "internal/logsample", "internal/logtext", "interceptors/auth"},
	"server/internal/console":               {"interceptors/token", "internal/loopback", "web"},
	"server/internal/outbox":                {"server/internal/store"},
	"server/internal/drain":                 nil,
	"server/internal/proxy":                 nil,
	"server/internal/bounds":                nil,
	"server/internal/schemas":               {"interceptors/policy", "interceptors/policy/condition", "interceptors/policydiff", "internal/logtext", "gen/ostiary/policy/v1"},
	"server/internal/certificate":           {"internal/renewal"},
	"server/internal/attack":                nil,
	"server/internal/otelenv":               nil,
	"server/internal/tracing":               {"interceptors/auth", "server/internal/otelenv"},
	"server/internal/metrics":               {"interceptors/auth", "interceptors/otelauth", "server/internal/otelenv"},
	"server/internal/decisions":             {"interceptors/auth", "gen/ostiary/decision/v1", "gen/ostiary/feed/v1", "server/internal/tracing"},
	"server/internal/transmitter":           {"interceptors/revocation", "internal/loopback", "server/internal/store", "server/internal/transport"},
	"server/internal/ledger": {
		"interceptors/auth", "interceptors/revocation", "interceptors/token", "gen/ostiary/error/v1", "gen/ostiary/feed/v1", "gen/ostiary/session/v1",
		"server/internal/outbox", "server/internal/position", "server/internal/rpcerror", "server/internal/store", "server/internal/store/*",
	},
	"server/internal/relay": {
		"interceptors/feed", "gen/ostiary/error/v1", "gen/ostiary/feed/v1", "server/internal/ledger", "server/internal/position", "server/internal/rpcerror",
	},
	"server/internal/problem": {"interceptors/token", "internal/disk", "gen/ostiary/status/v1"},
	"server/internal/health":  {"server/internal/rpcerror"},
	"server/internal/watch":   {"server/internal/rpcerror"},
	"server/internal/feed": {
		"interceptors/auth", "interceptors/token", "gen/ostiary/feed/v1", "gen/ostiary/feed/v1/feedv1connect", "server/internal/decisions",
		"server/internal/ledger", "server/internal/position", "server/internal/relay", "server/internal/rpcerror", "server/internal/store", "server/internal/watch",
	},
	"server/internal/tokensource": {"interceptors/authclient"},
	"server/internal/inbox": {
		"interceptors/jwks", "interceptors/signals", "interceptors/token", "server/settings", "server/internal/bounds", "server/internal/eventstream",
		"server/internal/ledger", "server/internal/store", "server/internal/tokensource", "server/internal/transport",
	},
	"server/internal/eventstream": {"interceptors/authclient", "interceptors/jwks", "interceptors/signals"},
	"server/settings": {
		"interceptors/*", "interceptors/policy/condition", "gen/ostiary/*/v1/*v1connect", "internal/loopback",
		"server/internal/bounds", "server/internal/certificate", "server/internal/console", "server/internal/decisions", "server/internal/eventstream",
		"server/internal/ledger", "server/internal/proxy", "server/internal/schemas", "server/internal/transport",
	},
	"server": {
		"server/settings",
		"interceptors/*", "interceptors/policy/condition", "gen/ostiary/*/v1", "gen/ostiary/*/v1/*v1connect", "server/internal/*", "internal/disk", "internal/logsample", "internal/logtext", "internal/loopback",
	},
	"web":   nil,
	"proto": nil,
	"cmd/*": {
		"server", "server/settings", "server/devissuer", "interceptors/*", "interceptors/policy/condition",
		"gen/ostiary/*/v1", "gen/ostiary/*/v1/*v1connect", "cmd/ostiary/internal/*", "internal/logsample", "internal/logtext", "internal/loopback", "proto",
	},
	"cmd/ostiary/internal/bufproject": {"proto"},
	"cmd/ostiary/internal/doctor": {
		"cmd/ostiary/internal/nearest", "cmd/ostiary/internal/settings", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/unverified", "server", "server/settings",
		"interceptors/auth", "interceptors/connectauth", "interceptors/jwks", "interceptors/token",
		"gen/ostiary/feed/v1", "gen/ostiary/feed/v1/feedv1connect", "gen/ostiary/identity/v1/identityv1connect", "internal/disk", "internal/loopback", "internal/renewal",
	},
	"cmd/ostiary/internal/client": {
		"cmd/ostiary/internal/terminal", "cmd/ostiary/internal/unverified", "cmd/ostiary/internal/usage", "server/devissuer",
		"interceptors/auth", "interceptors/authclient", "interceptors/connectauth", "internal/loopback",
		"gen/ostiary/error/v1", "gen/ostiary/*/v1/*v1connect",
	},
	"cmd/ostiary/internal/decisions": {
		"cmd/ostiary/internal/client", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/usage",
		"interceptors/authclient", "interceptors/connectauth", "gen/ostiary/decision/v1", "gen/ostiary/decision/v1/decisionv1connect",
	},
	"cmd/ostiary/internal/revocations": {
		"cmd/ostiary/internal/client", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/usage",
		"interceptors/authclient", "interceptors/connectauth", "gen/ostiary/revocation/v1", "gen/ostiary/revocation/v1/revocationv1connect",
	},
	"cmd/ostiary/internal/status": {
		"cmd/ostiary/internal/client", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/usage", "gen/ostiary/status/v1",
	},
	"cmd/ostiary/internal/explain": {
		"cmd/ostiary/internal/nearest", "cmd/ostiary/internal/rules", "cmd/ostiary/internal/settings", "cmd/ostiary/internal/terminal",
		"cmd/ostiary/internal/unverified", "cmd/ostiary/internal/usage", "server", "server/settings", "interceptors/auth", "interceptors/policy", "interceptors/token",
	},
	"cmd/ostiary/internal/logqueue":    nil,
	"cmd/ostiary/internal/nearest":     nil,
	"cmd/ostiary/internal/processtest": nil, // only tests
	"cmd/ostiary/internal/rules": {
		"cmd/ostiary/internal/bufproject", "cmd/ostiary/internal/settings", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/usage",
		"server/settings", "interceptors/policy", "interceptors/policy/condition", "interceptors/policydiff", "proto",
	},
	"cmd/ostiary/internal/sessions": {
		"cmd/ostiary/internal/client", "cmd/ostiary/internal/settings", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/usage", "server", "server/settings",
		"interceptors/authclient", "interceptors/connectauth", "gen/ostiary/*/v1", "gen/ostiary/session/v1/sessionv1connect",
	},
	"cmd/ostiary/internal/systemd":    nil,
	"cmd/ostiary/internal/terminal":   nil,
	"cmd/ostiary/internal/tokens":     {"cmd/ostiary/internal/client", "cmd/ostiary/internal/terminal", "cmd/ostiary/internal/unverified", "cmd/ostiary/internal/usage", "server/devissuer"},
	"cmd/ostiary/internal/usage":      {"cmd/ostiary/internal/settings"},
	"cmd/ostiary/internal/unverified": {"interceptors/auth", "interceptors/jwks", "interceptors/token"},
	"cmd/ostiary/internal/settings":   {"cmd/ostiary/internal/nearest", "server/settings", "interceptors/auth", "interceptors/policy", "interceptors/signals", "interceptors/token", "gen/ostiary/policy/v1"},
	"examples/*": {
		"interceptors/*", "gen/ostiary/*/v1", "gen/ostiary/*/v1/*v1connect",
		"examples/invoice", "examples/gen/acme/*/v1", "examples/gen/acme/*/v1/*v1connect",
	},
	// Starts this repository's server, and is no part of what is copied.
	"examples/fleet":                    {"internal/fleet", "internal/pgserver"},
	"examples/gen/acme/*/v1":            {"gen/ostiary/policy/v1"},
	"examples/gen/acme/*/v1/*v1connect": {"examples/gen/acme/*/v1"},
	"interceptors":                      nil, // only tests that go through all adapters
	"":                                  {"interceptors/auth", "interceptors/jwks", "interceptors/policy", "interceptors/token", "internal/loopback"},
}

// belowTheAdapters may know no transport.
var belowTheAdapters = []string{
	"interceptors/auth", "interceptors/authclient", "interceptors/jwks", "interceptors/token", "interceptors/token/internal/claims", "interceptors/token/internal/provider",
	"interceptors/policy", "interceptors/policy/condition", "interceptors/policydiff",
	"interceptors/revocation", "interceptors/signals", "interceptors/authtest",
}

// forbiddenFolders are names that say nothing.
var forbiddenFolders = []string{"pkg", "api", "config", "common", "utils", "models", "middleware", "mocks"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// nestedModules have their own go.mod, since what they depend on is not for every user of
// the library.
var nestedModules = []string{
	"cmd/buf-plugin-ostiary", "cmd/ostiary", "examples", "interceptors/gatewayauth", "interceptors/interop", "interceptors/otelauth", "server",
}

func list(t *testing.T) []goPackage {
	t.Helper()
	packages := listModule(t, ".")
	for _, dir := range nestedModules {
		packages = append(packages, listModule(t, dir)...)
	}
	return packages
}

func listModule(t *testing.T, dir string) (packages []goPackage) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = dir
	workspace := "off"
	if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
		workspace = "auto"
	}
	command.Env = append(command.Environ(), "GOWORK="+workspace)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list in %s: %v", dir, err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func folder(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := folder(p.ImportPath)
		var allowed []string
		known := false
		for pattern, imports := range mayImport {
			if ok, _ := path.Match(pattern, name); ok {
				known = true
				allowed = append(allowed, imports...)
			}
		}
		if !known {
			t.Errorf("%s is a folder that the layout does not know", name)
		}
		for _, part := range strings.Split(name, "/") {
			if slices.Contains(forbiddenFolders, part) {
				t.Errorf("%s: a folder named %s says nothing of what it knows", name, part)
			}
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"/") && !matches(allowed, folder(imported)) {
				t.Errorf("%s may not import %s", name, folder(imported))
			}
		}
	}
}

func TestNoTransportBelowTheAdapters(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if !slices.Contains(belowTheAdapters, folder(p.ImportPath)) {
			continue
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, "connectrpc.com/") ||
				dep == "google.golang.org/grpc" || strings.HasPrefix(dep, "google.golang.org/grpc/") {
				t.Errorf("%s depends on %s: transports belong to the adapters", folder(p.ImportPath), dep)
			}
		}
	}
}

// TestUsersDoNotInheritWhatIsNested has every dependency that belongs to a nested module
// alone.
func TestUsersDoNotInheritWhatIsNested(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"cobra", "goose", "godotenv", "grpc-gateway", "opentelemetry", "otelconnect", "pflag", "pgx", "prometheus", "rs/cors", "sqlite", "vanguard", "wycheproof",
	} {
		if bytes.Contains(mod, []byte(name)) {
			t.Errorf("go.mod requires %s", name)
		}
	}
}

// TestOnlyKeysKnowTheArithmeticOfRSA, so that it can be taken out again in one place.
func TestOnlyKeysKnowTheArithmeticOfRSA(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if slices.Contains(p.Imports, "filippo.io/bigmod") && folder(p.ImportPath) != "interceptors/jwks" {
			t.Errorf("%s imports filippo.io/bigmod", folder(p.ImportPath))
		}
	}
}

// TestTheArithmeticOfRSAIsTheStandardLibrarys: a fault that is mended there, or a check that is
// added, does not reach the copy under a public name by itself.
func TestTheArithmeticOfRSAIsTheStandardLibrarys(t *testing.T) {
	t.Parallel()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"internal/fips140/bigmod/nat.go":      "02e9175e5315b183eb60afa8d5ebb4c52d2b0d88289b81e16823a8ebb695cd49",
		"internal/fips140/bigmod/nat_amd64.s": "32fd0923150ddd1206a59270c4349e22cb7bbb6c82508e6fa0e1c959e0c57660",
		"internal/fips140/bigmod/nat_arm64.s": "e48ea304e2433cec8d480cac7d326cef2556eef5dc0852c0228c3c8280b55d53",
		"internal/fips140/bigmod/nat_asm.go":  "2cbf10e43db0371bd3466068580d3b69960a9be8b57d857c8e66b888fec10bf0",
		"internal/fips140/rsa/pkcs1v15.go":    "74af6dcc3e178f71d51ce5fe624df8d6bf7c5e1e36bca92096f65948ee197935",
		"internal/fips140/rsa/rsa.go":         "a3b73965247c692a6df2d5ce1d2fbf39b99121cc639d89a880f7fa306c7c2e95",
	} {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "src", "crypto", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != want {
			t.Errorf("%s of this Go is not the one that interceptors/jwks/rsa.go and filippo.io/bigmod were compared with: compare them, as docs/decisions/0020 says, and write %s here", name, got)
		}
	}
}

// mayLinkCEL are the packages that may depend on the compiler of conditions, which
// is several megabytes. A program that imports another one does not link it.
var mayLinkCEL = []string{
	"interceptors/policy/condition", "interceptors/policydiff", "interceptors/internal/reads", "interceptors/internal/schematest",
	"server", "server/settings", "server/internal/inbox", "server/internal/schemas", "cmd/*", "cmd/*/internal/*",
}

func TestOnlyConditionsLinkTheirCompiler(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		linked := slices.ContainsFunc(p.Deps, func(dep string) bool { return strings.HasPrefix(dep, "cel.dev/") })
		if linked && !matches(mayLinkCEL, folder(p.ImportPath)) {
			t.Errorf("%s links the compiler of conditions", folder(p.ImportPath))
		}
	}
}
