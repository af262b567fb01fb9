package bufproject

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsShowTheTestedFiles keeps the YAML of docs/schema.md equal to what the
// projects in testdata have after init.
func TestDocsShowTheTestedFiles(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(repository, "docs", "schema.md"))
	var shown []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		shown = append(shown, block[1])
	}
	tested := []string{
		read(t, filepath.Join("testdata", "v2", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v2-managed", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v1-managed", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v2", "after", "buf.yaml")),
	}
	if !slices.Equal(shown, tested) {
		t.Errorf("docs/schema.md shows\n%q\nand not the tested files\n%q", shown, tested)
	}
	faults := []string{missing}
	for _, project := range projects {
		faults = append(faults, project.broken)
	}
	for _, fault := range faults {
		if !strings.Contains(text, fault) {
			t.Errorf("docs/schema.md does not explain %q", fault)
		}
	}
}
