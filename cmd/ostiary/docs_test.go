package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// readDoc returns a file of the repository.
func readDoc(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryReasonIsDocumented(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"README.md":               readDoc(t, "README.md"),
		"docs/troubleshooting.md": readDoc(t, "docs", "troubleshooting.md"),
	} {
		for _, reason := range auth.Reasons() {
			if !strings.Contains(doc, reason.String()) {
				t.Errorf("%s does not name %v", name, reason)
			}
		}
	}
}

// The rules of settings files in docs/policy.md are read as they are shown.
func TestExamplesOfRulesAreValid(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"docs/configuration.md": settings.Documentation(),
		"docs/policy.md":        readDoc(t, "docs", "policy.md"),
	} {
		_, rest, found := strings.Cut(doc, "```yaml\nrules:\n")
		example, _, _ := strings.Cut(rest, "```")
		if !found {
			t.Errorf("%s shows no rules", name)
			continue
		}
		file := filepath.Join(t.TempDir(), "ostiary.yaml")
		if err := os.WriteFile(file, []byte("rules:\n"+example), 0o600); err != nil {
			t.Fatal(err)
		}
		rules, err := settings.RulesInForce(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		configured := make(map[string]bool)
		for _, entry := range rules.Entries() {
			if entry.Origin.Source == policy.SourceSettings {
				configured[cmp.Or(entry.Origin.Service, entry.Procedure)] = true
			}
		}
		if len(configured) != 2 {
			t.Errorf("%s: %d rules are in force; 2 are shown", name, len(configured))
		}
	}
}
