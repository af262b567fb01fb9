package ostiary_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGoInstallTakesThePrograms holds what go install asks of the module of a program:
// nothing in its go.mod may mean something else there than here.
func TestGoInstallTakesThePrograms(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"cmd/buf-plugin-ostiary", "cmd/ostiary"} {
		out, err := exec.CommandContext(t.Context(), "go", "-C", folder, "mod", "edit", "-json").Output()
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		var mod struct{ Replace, Exclude []any }
		if err := json.Unmarshal(out, &mod); err != nil {
			t.Fatal(err)
		}
		if len(mod.Replace)+len(mod.Exclude) > 0 {
			t.Errorf("%s/go.mod has a replace or an exclude, which go install refuses; put it into go.work", folder)
		}
	}
}

// TestReleasesTagEveryNestedModule has the list in CONTRIBUTING.md name every module
// that others can require. Nobody requires the benchmarks, the examples, what is deployed and the tests of
// interop.
func TestReleasesTagEveryNestedModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^    nested='(.*)'$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("CONTRIBUTING.md has no list of nested modules")
	}
	var want []string
	err = filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{"node_modules", "bench", "deploy", "examples", "interop"}, entry.Name()):
			return fs.SkipDir
		case entry.Name() == "go.mod" && name != "go.mod":
			want = append(want, filepath.ToSlash(filepath.Dir(name)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(list[1])); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("CONTRIBUTING.md tags %q; the modules are %q", got, want)
	}
}
