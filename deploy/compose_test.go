package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads a compose file as `docker compose -f FILE` does, which checks it against
// the schema of the specification.
func loadCompose(t *testing.T, file string, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...), cli.WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// checkout returns a directory with deploy/compose.yaml, and with .env as README says to make it.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for target, source := range map[string]string{"deploy/compose.yaml": "compose.yaml", ".env": "../.env.example"} {
		if err := copyTree(filepath.Join(root, target), source, nil); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestComposeServices(t *testing.T) {
	t.Parallel()
	file := filepath.Join(checkout(t), "deploy", "compose.yaml")
	for profile, want := range map[string][]string{
		"":    {"backend", "frontend", "postgres"},
		"dev": {"backend", "frontend", "issuer", "postgres"},
	} {
		project := loadCompose(t, file, profile)
		if got := project.ServiceNames(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("profile %q has %v, want %v", profile, got, want)
		}
		for name, service := range project.Services {
			if got := slices.Collect(maps.Keys(service.Networks)); !slices.Equal(got, []string{"app"}) {
				t.Errorf("%s is in %v, want the network app alone", name, got)
			}
			if service.Build != nil && service.PullPolicy != types.PullPolicyBuild {
				t.Errorf("%s may be an image from elsewhere that has the name %s", name, service.Image)
			}
			for _, port := range service.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s is open to others than this machine", name, port.Published)
				}
			}
			for _, secret := range map[string][]string{
				"frontend": {"DATABASE_URL", "POSTGRES_PASSWORD", "CLERK_WEBHOOK_SIGNING_SECRET", "OSTIARY_FEED_SECRET"},
				"postgres": {"CLERK_SECRET_KEY", "CLERK_WEBHOOK_SIGNING_SECRET", "OSTIARY_FEED_SECRET"},
			}[name] {
				if value := service.Environment[secret]; value == nil || *value != "" {
					t.Errorf("%s knows %s", name, secret)
				}
			}
		}
	}
}

// insideVariable names the file with what TestCompose runs, in namespaces of its own.
const insideVariable = "OSTIARY_TEST_COMPOSE"

// A plan is what TestCompose makes of compose.yaml before it enters namespaces.
type plan struct {
	File   string           // the compose file
	Images map[string]image // by name
	Dir    string           // for what the services keep
}

// TestCompose runs what compose.yaml says, without a container engine: each service in a
// network namespace of its own, on a bridge, with the names of the others. Commands,
// variables, health checks and their order are those of the file; the images are built by
// the instructions of their Dockerfiles, but for their base images, in whose place this machine
// is. A browser on the host then goes through the published ports.
func TestCompose(t *testing.T) {
	if file := os.Getenv(insideVariable); file != "" {
		runCompose(t, file)
		return
	}
	t.Parallel()
	for _, program := range []string{"ip", "unshare", "setpriv", "npm", "chromium"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			without(t, "compose.yaml is not run: install iproute2, util-linux, Node and chromium, and run this as root; missing: "+program)
		}
	}
	if out, err := exec.Command("unshare", "--net", "--mount", "ip", "link", "add", "app", "type", "bridge").CombinedOutput(); err != nil {
		t.Skipf("compose.yaml is not run: this machine lets nobody make network namespaces: %v, %s", err, out)
	}
	if len(postgresPrograms()) == 0 {
		without(t, "compose.yaml is not run: install postgresql")
	}
	if _, err := os.Stat("../web/node_modules/playwright-core"); err != nil {
		without(t, "compose.yaml is not run: npm ci in web/ installs what drives the browser")
	}

	root, data := checkout(t), t.TempDir()
	p := plan{File: filepath.Join(root, "deploy", "compose.yaml"), Images: make(map[string]image), Dir: data}
	for _, service := range loadCompose(t, p.File, "dev").Services {
		if service.Build == nil || p.Images[service.Image].Root != "" {
			continue
		}
		p.Images[service.Image] = buildImage(t, service.Build.Dockerfile)
	}
	// Users of services have to get to what is theirs.
	for dir := data; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "plan.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		os.Args[0], "-test.run=^TestCompose$", "-test.v")
	cmd.Env = append(os.Environ(), insideVariable+"="+file)
	started := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestCompose") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("it ran for %v", time.Since(started).Round(time.Second))
}

func buildImage(t *testing.T, dockerfile string) image {
	t.Helper()
	started := time.Now()
	b := &build{t: t, context: "..", stages: make(map[string]string)}
	if dockerfile == "deploy/Dockerfile" {
		b.stages["build"] = t.TempDir()
		cmd := exec.Command("make", "--no-print-directory", "-C", "..", "image-root", "IMAGE_ROOT="+b.stages["build"])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make image-root: %v\n%s", err, out)
		}
	}
	b.ignored = ignoredBy(filepath.Join("..", dockerfile+".dockerignore"))
	img := b.run(filepath.Join("..", dockerfile))
	t.Logf("%s is built in %v", dockerfile, time.Since(started).Round(time.Second))
	return img
}
