package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(file, "data"), filepath.Join(file, "deep", "data")} {
		_, err := OpenStore(t.Context(), "", dir)
		var failure *fs.PathError
		if !errors.As(err, &failure) || !strings.HasPrefix(err.Error(), "data_dir: ") {
			t.Errorf("%s: %v; want an error that names data_dir", dir, err)
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
		db, err := OpenStore(t.Context(), url, filepath.Join(dir, "data")+"/")
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
