package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

const (
	// databaseName is the file in the data directory.
	databaseName = "ostiary.db"
	sqliteScheme = "sqlite:"
)

// OpenStore opens the database at the URL; where that is empty, the one in the
// data directory, which is made where it is missing.
func OpenStore(ctx context.Context, databaseURL, dataDir string) (store.Store, error) {
	path := strings.TrimPrefix(databaseURL, sqliteScheme)
	if path == "" {
		if err := MakeDataDir(dataDir); err != nil {
			return nil, err
		}
		path = filepath.Join(dataDir, databaseName)
	}
	return sqlite.Open(ctx, path)
}

// CheckDatabaseURL returns what is wrong with a database URL; "" is fine. It
// never repeats the URL, which may hold a password.
func CheckDatabaseURL(url string) error {
	path, isSQLite := strings.CutPrefix(url, sqliteScheme)
	switch {
	case url == "":
		return nil
	case !isSQLite:
		return errors.New("is of a kind that is not supported; write sqlite: and the path of a file, such as sqlite:/var/lib/ostiary/ostiary.db")
	case path == "" || strings.HasPrefix(path, "//") || strings.HasPrefix(path, ":"):
		return errors.New("does not name a file; write its path right behind the scheme, such as sqlite:/var/lib/ostiary/ostiary.db")
	default:
		return nil
	}
}

// MakeDataDir makes the directory, for its owner alone, where it is missing. Its
// contents belong to this machine, so they are hidden from git.
func MakeDataDir(dir string) error {
	dir = filepath.Clean(dir) // without a slash at its end
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}
