package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// databaseName is the file in the data directory.
const databaseName = "ostiary.db"

// openStore opens what DatabaseURL names.
func (c Config) openStore(ctx context.Context) (store.Store, error) {
	path, _ := strings.CutPrefix(c.DatabaseURL, sqliteScheme)
	if path == "" {
		if err := MakeDataDir(c.DataDir); err != nil {
			return nil, err
		}
		path = filepath.Join(c.DataDir, databaseName)
	}
	return sqlite.Open(ctx, path)
}

// MakeDataDir makes the directory that a Config.DataDir names, for its owner
// alone, where there is none. New does that by itself. What is in it belongs to
// this machine, so git is told to leave it alone.
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

const sqliteScheme = "sqlite:"

// checkDatabaseURL never repeats the URL, which may hold a password.
func checkDatabaseURL(url string) error {
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

// longestLifetime returns how long a token can be accepted that is issued now.
func (c Config) longestLifetime() time.Duration {
	var longest time.Duration
	for _, issuer := range c.Issuers {
		// The issuer's clock may be ahead of ours by as much as the skew, too.
		lifetime := cmp.Or(issuer.MaxLifetime, token.DefaultMaxLifetime)
		longest = max(longest, lifetime+2*issuer.skew())
	}
	return longest
}

// skews are those of the issuers that are trusted, by their URL.
func (c Config) skews() map[string]time.Duration {
	skews := make(map[string]time.Duration, len(c.Issuers))
	for _, issuer := range c.Issuers {
		skews[issuer.URL] = issuer.skew()
	}
	return skews
}

// skew is Skew as tokens are judged by it.
func (i *Issuer) skew() time.Duration { return max(cmp.Or(i.Skew, token.DefaultSkew), 0) }
