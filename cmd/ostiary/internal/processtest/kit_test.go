package processtest

import (
	"os"
	"testing"
)

// without skips a test that lacks something of the machine, and fails it in CI, where nothing
// may be missing.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}
