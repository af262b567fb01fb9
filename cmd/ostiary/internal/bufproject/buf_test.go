package bufproject

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/testprogram"
	"github.com/ostiary/ostiary/proto"
)

// repository is the root of this repository, seen from here.
const repository = "../../../.."

// nodeModules has the plugin and the compiler for TypeScript, once they are installed.
const nodeModules = repository + "/web/node_modules"

// The projects in testdata are shaped like Connect's eliza: each is a way in which
// people use buf. With the real buf they are generated, compiled and run.
var projects = []struct {
	name     string
	generate []string // with what is left to do by hand
	broken   string   // what happens if policy.proto is only copied
}{
	{name: "v2", broken: "policy.pb.go: generated file does not match prefix"},
	{name: "v2-typescript", broken: "policy.pb.go: generated file does not match prefix"},
	{name: "v2-managed", broken: `file "ostiary/policy/v1/policy.proto" is already registered`},
	{name: "v2-modules", broken: `file "ostiary/policy/v1/policy.proto" is already registered`},
	{
		name: "v1", generate: []string{"proto", "--exclude-path", "proto/ostiary/policy/v1"},
		broken: "policy.pb.go: generated file does not match prefix",
	},
	{
		name: "v1-managed", generate: []string{"--exclude-path", "proto/ostiary/policy/v1"},
		broken: `file "ostiary/policy/v1/policy.proto" is already registered`,
	},
}

// missing is what buf says if there is no policy.proto.
const missing = "imported file does not exist"

const methods = "/connectrpc.eliza.v1.ElizaService/Introduce\n/connectrpc.eliza.v1.ElizaService/Say\n"

func TestProjectsCompileAfterInit(t *testing.T) {
	t.Parallel()
	for _, project := range projects {
		t.Run(project.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, project.name)
			opened, err := Open(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := opened.Plan(Options{Version: "v1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range plan.Files {
				write(t, filepath.Join(dir, file.Name), file.Text)
			}
			wanted, err := filepath.Glob(filepath.Join("testdata", project.name, "after", "*"))
			if err != nil || len(wanted) == 0 {
				t.Fatalf("there is no file to compare with: %v", err)
			}
			for _, name := range wanted {
				if got, want := read(t, filepath.Join(dir, filepath.Base(name))), read(t, name); got != want {
					t.Errorf("%s should be as %s, but is\n%s", filepath.Base(name), name, got)
				}
			}
			if out, ok := run(t, dir, "buf", append([]string{"generate"}, project.generate...)...); !ok {
				t.Fatalf("buf generate: %s", out)
			}
			if _, err := os.Stat(filepath.Join(dir, "gen", "ostiary")); err == nil {
				t.Error("code was generated for policy.proto")
			}
			if out, ok := run(t, dir, "go", "run", "-ldflags=-s -w", "."); !ok || out != methods {
				t.Errorf("the program prints %q, without an error: %t; want %q", out, ok, methods)
			}
		})
	}
}

// What goes wrong with a copy of policy.proto alone.
func TestProjectsAreBrokenWithoutInit(t *testing.T) {
	t.Parallel()
	for _, project := range projects {
		t.Run(project.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, project.name)
			write(t, filepath.Join(dir, "proto", proto.PolicyFile), proto.Policy)
			out, ok := run(t, dir, "buf", "generate", "proto")
			if ok {
				out, ok = run(t, dir, "go", "run", "-ldflags=-s -w", ".")
			}
			if ok || !strings.Contains(out, project.broken) {
				t.Errorf("this should say %q: %s", project.broken, out)
			}
		})
	}
}

func TestBufMissesTheSchemaWithoutInit(t *testing.T) {
	t.Parallel()
	out, ok := run(t, copyOf(t, "v2"), "buf", "build")
	if ok || !strings.Contains(out, missing) {
		t.Errorf("this should say %q: %s", missing, out)
	}
}

// One template has the Go code and, with the schema that it imports, the TypeScript.
func TestTypeScriptCompilesAfterInit(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "v2-typescript")
	write(t, filepath.Join(dir, "proto", proto.PolicyFile), proto.Policy)
	write(t, filepath.Join(dir, "buf.gen.yaml"), read(t, "testdata/v2-typescript/after/buf.gen.yaml"))
	if out, ok := run(t, dir, "buf", "generate"); !ok {
		t.Fatalf("buf generate: %s", out)
	}
	modules, err := filepath.Abs(nodeModules)
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "web", "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, ok := run(t, dir, filepath.Join(modules, ".bin", "tsc"), "-p", "web"); !ok {
		t.Errorf("tsc: %s", out)
	}
}

func TestBufLintAsksForRulesAfterInit(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "v2")
	write(t, filepath.Join(dir, "buf.yaml"), read(t, "testdata/v2/after/buf.yaml"))
	write(t, filepath.Join(dir, "proto", proto.PolicyFile), withHeader(proto.Policy, "v1.2.3"))
	if out, ok := run(t, dir, "buf", "lint"); !ok {
		t.Errorf("buf lint: %s", out)
	}
	eliza := filepath.Join(dir, "proto", "connectrpc", "eliza", "v1", "eliza.proto")
	write(t, eliza, strings.Replace(read(t, eliza), "option (ostiary.policy.v1.default_rule).authenticated = {};", "", 1))
	out, ok := run(t, dir, "buf", "lint")
	if want := "/connectrpc.eliza.v1.ElizaService/Say: no rule"; ok || !strings.Contains(out, want) {
		t.Errorf("buf lint without a rule should say %q: %s", want, out)
	}
}

// copyOf returns a copy of a project in testdata, as its owner has it: with go.mod.
func copyOf(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat(nodeModules); err != nil && strings.HasSuffix(name, "typescript") {
		testprogram.Missing(t, "no TypeScript is generated: run npm ci in web first")
	}
	dir := t.TempDir()
	for _, from := range []string{"testdata/eliza", filepath.Join("testdata", name)} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "after")); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	// All that the library requires, at its versions, so that nothing is downloaded.
	module := strings.Replace(read(t, filepath.Join(root, "go.mod")), "module github.com/ostiary/ostiary", "module example.com/eliza", 1)
	module += "\nrequire github.com/ostiary/ostiary v0.0.0\n\nreplace github.com/ostiary/ostiary => " + root + "\n"
	write(t, filepath.Join(dir, "go.mod"), module)
	write(t, filepath.Join(dir, "go.sum"), read(t, filepath.Join(root, "go.sum")))
	return dir
}

// run runs a program in a folder, with buf and its plugins in the path.
func run(t *testing.T, dir, program string, args ...string) (output string, ok bool) {
	t.Helper()
	if err := tools(); err != nil {
		t.Fatal(err)
	}
	if program == "buf" {
		program = filepath.Join(bin, "buf")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GOWORK=off", "BUF_CACHE_DIR="+filepath.Join(dir, ".cache"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err == nil
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
