package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
	"sigs.k8s.io/yaml"
)

// TestTheProgramCompilesForEverySystemOfARelease checks the types of the program and of all
// tests for each system, as a compiler does, which takes seconds: to build them all takes
// minutes. Of other people's packages only the declarations are read. Processors make no
// difference to our code.
func TestTheProgramCompilesForEverySystemOfARelease(t *testing.T) {
	t.Parallel()
	systems := regexp.MustCompile(`(?m)^ +goos: \[(.*)\]$`).FindStringSubmatch(readFile(t, "../.goreleaser.yaml"))
	if systems == nil {
		t.Fatal(".goreleaser.yaml has no list goos")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	ours := root + string(filepath.Separator)
	for system := range strings.SplitSeq(systems[1], ", ") {
		loaded, err := packages.Load(&packages.Config{
			Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
				packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedTypesSizes,
			Dir:   filepath.Join(root, "cmd", "ostiary"),
			Env:   append(os.Environ(), "GOOS="+system, "GOARCH=arm64", "CGO_ENABLED=0", "GOWORK=auto"),
			Tests: true,
			ParseFile: func(files *token.FileSet, name string, source []byte) (*ast.File, error) {
				file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
				if file == nil || strings.HasPrefix(name, ours) {
					return file, err
				}
				for _, declared := range file.Decls {
					if function, ok := declared.(*ast.FuncDecl); ok {
						function.Body = nil
					}
				}
				return file, err
			},
		}, "./...", "github.com/ostiary/ostiary/...", "github.com/ostiary/ostiary/server/...")
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		packages.Visit(loaded, nil, func(p *packages.Package) {
			if strings.HasPrefix(p.PkgPath, "github.com/ostiary/ostiary") {
				checked++
			}
			for _, fault := range p.Errors {
				if strings.HasPrefix(fault.Pos, ours) {
					t.Errorf("%s: %s", system, fault)
				}
			}
		})
		if checked < 50 {
			t.Errorf("%s: %d packages were checked; want all of ours", system, checked)
		}
	}
}

// TestFilesOfPackagesExist has .goreleaser.yaml name files that are there, or that make
// packaging writes.
func TestFilesOfPackagesExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`(?:src|install|remove|-): ?([A-Za-z][\w./*-]*)|- (LICENSE|README\.md|CHANGELOG\.md)\n`).FindAllStringSubmatch(readFile(t, "../.goreleaser.yaml"), -1)
	found := 0
	for _, match := range named {
		name := match[1] + match[2]
		if strings.HasPrefix(name, "bin/packaging/") {
			continue
		}
		found++
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Error(err)
		}
	}
	if found < 8 {
		t.Errorf("%d files are named; want those of archives and packages", found)
	}
}

// What is a file of secrets in a package, nobody but root can read once it is installed.
func TestPackagesKeepSecretsToRoot(t *testing.T) {
	t.Parallel()
	var release struct {
		NFPMs []struct {
			Contents []struct {
				Dst, Type string
				FileInfo  struct{ Mode int } `json:"file_info"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../.goreleaser.yaml")), &release); err != nil || len(release.NFPMs) != 1 {
		t.Fatalf("%d kinds of packages, %v", len(release.NFPMs), err)
	}
	named := regexp.MustCompile(`(?m)^EnvironmentFile=-(.*)$`).FindStringSubmatch(readFile(t, "systemd/ostiary.service"))
	if named == nil {
		t.Fatal("the unit reads no file of secrets")
	}
	for _, content := range release.NFPMs[0].Contents {
		if content.Dst != named[1] {
			continue
		}
		if content.FileInfo.Mode != 0o600 || content.Type != "config|noreplace" {
			t.Errorf("%s has mode %o and type %s", content.Dst, content.FileInfo.Mode, content.Type)
		}
		return
	}
	t.Errorf("no package has %s, so that it is made by hand, perhaps for everybody to read", named[1])
}

// TestBuildsAreGivenTheirCommit has every build of a program that is passed on have the linker
// set version and commit: none can count on the toolchain to find git.
func TestBuildsAreGivenTheirCommit(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, target := range []string{"build", "image-root"} {
		out, err := exec.Command("make", "--no-print-directory", "-C", "..", "--dry-run", target, "VERSION=v1.2.3", "REVISION="+commit).Output()
		if err != nil || !strings.Contains(string(out), "-X main.version=v1.2.3 -X main.revision="+commit) {
			t.Errorf("make %s runs\n%s%v", target, out, err)
		}
	}
	for name, want := range map[string]string{
		"../Makefile":                       "REVISION ?= $(shell git rev-parse HEAD",
		"../.goreleaser.yaml":               "-X main.version=v{{ .Version }} -X main.revision={{ .FullCommit }}",
		"Dockerfile":                        `make image-root IMAGE_ROOT=/ VERSION="$VERSION" REVISION="$REVISION"`,
		"../.github/workflows/release.yaml": `--build-arg VERSION="$TAG" --build-arg REVISION="$GITHUB_SHA"`,
	} {
		if !strings.Contains(readFile(t, name), want) {
			t.Errorf("%s does not have %s", name, want)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A workflow is what the tests read of one.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Needs       any
		Permissions map[string]string
		Steps       []struct{ Uses, Run string }
	}
}

// TestTheReleaseRunsOnlyWhatIsPinned, since a tag of an action can be moved, and the name of a tag
// of ours can hold commands.
func TestTheReleaseRunsOnlyWhatIsPinned(t *testing.T) {
	t.Parallel()
	var release workflow
	if err := yaml.Unmarshal([]byte(readFile(t, "../.github/workflows/release.yaml")), &release); err != nil || len(release.Jobs) < 5 {
		t.Fatalf("%d jobs, %v", len(release.Jobs), err)
	}
	if release.Permissions == nil || len(release.Permissions) > 0 {
		t.Errorf("every job may do %v; want what each needs", release.Permissions)
	}
	for name, job := range release.Jobs {
		if name != "check" && job.Needs == nil {
			t.Errorf("%s does not wait for another job, so the tag is not checked", name)
		}
		for _, step := range job.Steps {
			if step.Uses != "" && !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(step.Uses) {
				t.Errorf("%s uses %s; want a commit", name, step.Uses)
			}
			if strings.Contains(step.Run, "${{") {
				t.Errorf("%s puts an expression into a command, which could hold commands itself: %s", name, step.Run)
			}
		}
	}
}

func TestTheReleaseRefusesTagsThatAreNoVersions(t *testing.T) {
	t.Parallel()
	var release workflow
	if err := yaml.Unmarshal([]byte(readFile(t, "../.github/workflows/release.yaml")), &release); err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]bool{
		"v1.2.3": true, "v0.10.0-rc.1": true, "v1$(id)": false, "v1.2.3;id": false, "v1.2.3-'id'": false, "v1": false, "v1.2.3\nid": false,
	} {
		cmd := exec.Command("bash", "-euc", release.Jobs["check"].Steps[0].Run)
		cmd.Env = append(os.Environ(), "TAG="+tag)
		if out, err := cmd.CombinedOutput(); (err == nil) != want {
			t.Errorf("%q: %v, %s; want it accepted: %v", tag, err, out, want)
		}
	}
}
