package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(file, "data"), filepath.Join(file, "deep", "data")} {
		_, err := OpenStore(t.Context(), StoreConfig{DataDir: dir})
		var failure *fs.PathError
		if !errors.As(err, &failure) || !strings.HasPrefix(err.Error(), "data_dir: ") || !strings.HasSuffix(err.Error(), "or choose another place") {
			t.Errorf("%s: %v; want an error that names data_dir and the remedy", dir, err)
		}
	}
}

func TestTheDatabaseIsWhereTheURLSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for url, want := range map[string]string{
		"":                                   filepath.Join(dir, "data", "ostiary.db"),
		"sqlite:" + dir + "/elsewhere/my.db": filepath.Join(dir, "elsewhere", "my.db"),
	} {
		if err := CheckDatabaseURL(url); err != nil {
			t.Errorf("%q: %v", url, err)
		}
		db, err := OpenStore(t.Context(), StoreConfig{URL: url, DataDir: filepath.Join(dir, "data") + "/"})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(want); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

const someIssuer = "https://clerk.example.com"

const retention = 30 * 24 * time.Hour

func TestTheDataDirectoryIsForItsOwnerAndNotForGit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := MakeDataDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, error %v; want mode 0700", info.Mode(), err)
	}
	if ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err != nil || string(ignored) != "*\n" {
		t.Errorf(".gitignore has %q, error %v", ignored, err)
	}
	// One that somebody made for us is left as it is.
	made := t.TempDir()
	if err := MakeDataDir(made); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(made); err != nil || len(left) != 0 {
		t.Errorf("%v, error %v; want nothing in it", left, err)
	}
}
