package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// release is a small repository with all that .ci/breaking compares.
var release = map[string]string{
	"go.mod":                           "module example.com/a\n\ngo 1.26.0\n",
	"a.go":                             "package a\n\nfunc Kept() {}\n\nfunc Gone() {}\n",
	"buf.yaml":                         "version: v2\nmodules: [{path: proto}]\nbreaking: {use: [FILE]}\n",
	"proto/a/v1/a.proto":               "syntax = \"proto3\";\n\npackage a.v1;\n\nmessage A {\n  string gone = 1;\n}\n",
	"docs/configuration.md":            "| `issuer` | `--issuer` | `OSTIARY_ISSUER` | | |\n",
	"docs/commands.md":                 "## ostiary serve\n\n      --gone   a flag\n",
	"docs/operations.md":               "| `ostiary_ready` | readiness |\n",
	"interceptors/auth/reason_list.go": "package auth\n\n// {\"TOKEN_MISSING\", CodeUnauthenticated, \"\"},\n",
}

// TestBreaking has .ci/breaking find what goes away after a release, and let it pass only in a
// minor version before v1.0.0 whose part of CHANGELOG.md says so.
func TestBreaking(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../.ci/breaking")
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "GOWORK=off", "MODULES=.", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	for _, tool := range []string{"buf", "apidiff"} {
		path, err := exec.Command("go", "tool", "-n", "-modfile=../go.check.mod", tool).Output()
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		env = append(env, strings.ToUpper(tool)+"="+strings.TrimSpace(string(path)))
	}
	lessGo := map[string]string{"a.go": "package a\n\nfunc Kept() {}\n"}
	for name, row := range map[string]struct {
		tag     string
		changes map[string]string
		log     string // CHANGELOG.md's first part
		want    []string
		fails   bool
	}{
		"nothing is released": {"", lessGo, "[0.1.0]", []string{"there is no release"}, false},
		"additions":           {"v0.1.0", map[string]string{"a.go": release["a.go"] + "\nfunc New() {}\n"}, "[Unreleased]", []string{"nothing, compared with v0.1.0"}, false},
		"what goes away": {"v0.1.0", map[string]string{
			"a.go":                             lessGo["a.go"],
			"proto/a/v1/a.proto":               "syntax = \"proto3\";\n\npackage a.v1;\n\nmessage A {}\n",
			"docs/configuration.md":            "| `issuer` | `--issuer` | | | |\n",
			"docs/commands.md":                 "## ostiary serve\n",
			"docs/operations.md":               "\n",
			"interceptors/auth/reason_list.go": "package auth\n\n// {\"TOKEN_MISSING\", CodeInternal, \"\"},\n",
		}, "[Unreleased]\n\n### Added", []string{"Gone: removed", `field "1" with name "gone"`, "`OSTIARY_ISSUER`", "--gone", "`ostiary_ready", `"TOKEN_MISSING", CodeUnauthenticated`}, true},
		"a minor version that says so":   {"v0.1.0", lessGo, "[0.2.0]\n\n### Changed", []string{"Gone: removed", "CHANGELOG.md says what has changed"}, false},
		"a patch that says so":           {"v0.1.0", lessGo, "[0.1.1]\n\n### Changed", []string{"this is for a major version"}, true},
		"a minor version of a major one": {"v1.1.0", lessGo, "[1.2.0]\n\n### Changed", []string{"this is for a major version"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run := func(name string, args ...string) (string, error) {
				cmd := exec.Command(name, args...)
				cmd.Dir, cmd.Env = dir, env
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			commit := func(files map[string]string) {
				t.Helper()
				for name, text := range files {
					path := filepath.Join(dir, name)
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if out, err := run("sh", "-ec", "git add . && git commit -qm a"); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			if out, err := run("git", "init", "-q"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			commit(release)
			if row.tag != "" {
				if out, err := run("git", "tag", row.tag); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			commit(row.changes)
			commit(map[string]string{"CHANGELOG.md": "# Changelog\n\n## " + row.log + "\n\n## [0.0.1]\n\n### Removed\n"})
			out, err := run(script)
			if (err != nil) != row.fails {
				t.Errorf("%v; fails: %t\n%s", err, row.fails, out)
			}
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}
