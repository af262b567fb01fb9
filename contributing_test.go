package ostiary_test

import (
	"os"
	"regexp"
	"testing"
)

// TestTheWayOfACallNamesRealFunctions keeps the two lists in CONTRIBUTING.md from
// naming what has moved.
func TestTheWayOfACallNamesRealFunctions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+\\.go)` `([^`]+)`").FindAllSubmatch(text, -1)
	if len(lines) != 24 {
		t.Fatalf("%d lines name a function; want twelve for each of two ways", len(lines))
	}
	for _, line := range lines {
		file, function := string(line[1]), string(line[2])
		source, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		declaration := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + regexp.QuoteMeta(function) + `\(`)
		if !declaration.Match(source) {
			t.Errorf("%s has no function %s", file, function)
		}
	}
}
