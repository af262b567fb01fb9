// Package testprogram is for tests that need a program of the machine.
//
//	if _, err := exec.LookPath("haproxy"); err != nil {
//		testprogram.Missing(t, "haproxy is missing: apt-get install haproxy")
//	}
package testprogram

import (
	"fmt"
	"os"
	"testing"
)

// Missing skips a test with a notice, since the machine lacks something, and fails it in CI,
// where nothing may be missing. what says what it is, and how to install it.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	fmt.Fprintf(os.Stderr, "\nSKIPPED: %s: %s\n\n", t.Name(), what)
	t.Skip(what)
}
