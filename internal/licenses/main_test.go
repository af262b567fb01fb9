package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLicencesAreThoseOfThePackageAndOfItsModule(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "zip", "huff")
	if err := os.MkdirAll(filepath.Join(dir, "licenses"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"LICENSE": "MIT", "NOTICE.txt": "by us", "zip/COPYING": "BSD", "zip/huff/license.go": "package huff", "zip/huff/README": "read me"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts := map[string][]string{"MIT": {"example.com/a v1.0.0"}}
	for range 2 {
		if err := add(texts, "example.com/b v1.0.0", dir, root); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{"MIT": 2, "by us": 1, "BSD": 1}
	for text, names := range texts {
		if len(names) != want[text] || !slices.Contains(names, "example.com/b v1.0.0") {
			t.Errorf("%q is of %q; want %d", text, names, want[text])
		}
	}
	if len(texts) != len(want) {
		t.Errorf("%d texts; want %d", len(texts), len(want))
	}
}

func TestAModuleWithoutALicenceIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := add(make(map[string][]string), "example.com/a v1.0.0", dir, dir); err == nil {
		t.Error("no error")
	}
}
