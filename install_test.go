package ostiary_test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// TestGoInstallTakesThePrograms holds what go install asks of the module of a program:
// nothing in its go.mod may mean something else there than here.
func TestGoInstallTakesThePrograms(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{".", "cmd/buf-plugin-ostiary"} {
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
