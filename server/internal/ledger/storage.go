package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

const (
	// databaseName is the file in the data directory.
	databaseName = "ostiary.db"
	sqliteScheme = "sqlite:"
)

// StoreConfig says which database is used, and how.
type StoreConfig struct {
	// URL names the database. Where it is empty, it is a file in DataDir, which is made
	// where it is missing.
	URL     string
	DataDir string
	// MaxConnections and Timeout are those of postgres.Options.
	MaxConnections int
	Timeout        time.Duration
	Log            *slog.Logger
}

// OpenStore opens the database.
func OpenStore(ctx context.Context, config StoreConfig) (store.Store, error) {
	if isPostgres(config.URL) {
		db, err := postgres.Open(ctx, config.URL, postgres.Options{MaxConnections: config.MaxConnections, Timeout: config.Timeout, Log: config.Log})
		if err != nil {
			return nil, fmt.Errorf("database_url: %w", err)
		}
		config.announce(ctx, db.Created(), `schema "ostiary" of the PostgreSQL database`)
		return db, nil
	}
	if config.URL == "" {
		if err := MakeDataDir(config.DataDir); err != nil {
			return nil, err
		}
	}
	path := config.path()
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	config.announce(ctx, db.Created(), path)
	if err := db.ReadOnly(); err != nil && config.Log != nil {
		config.Log.ErrorContext(ctx, "the database can only be read; tokens are verified, and nothing can be revoked", "error", err)
	}
	return db, nil
}

// OpenExistingStore is OpenStore for a database that a server has made. One that is not there
// is an error, and is not made.
func OpenExistingStore(ctx context.Context, config StoreConfig) (store.Store, error) {
	if !isPostgres(config.URL) {
		if _, err := os.Stat(config.path()); err != nil {
			return nil, fmt.Errorf("there is no database that a server has made: %w", err)
		}
	}
	config.Log = nil
	db, err := OpenStore(ctx, config)
	if err != nil {
		return nil, err
	}
	if made, ok := db.(interface{ Created() bool }); ok && made.Created() {
		return nil, errors.Join(errors.New("database_url: no server has used this database, which had no tables; name the one that the servers use"), db.Close())
	}
	return db, nil
}

// announce warns of a new database. If one was expected there, then it is gone, and so are
// its revocations.
func (c StoreConfig) announce(ctx context.Context, created bool, where string) {
	if created && c.Log != nil {
		c.Log.WarnContext(ctx, "there was no database, so a new one was made; nothing is revoked in it", "database", where)
	}
}

// Name returns which database it is, for the log, without a password: the URL of a database of
// PostgreSQL, or the whole path of an SQLite file.
func (c StoreConfig) Name() string {
	if isPostgres(c.URL) {
		return postgres.Name(c.URL)
	}
	path, err := filepath.Abs(c.path())
	if err != nil { // there is no working directory any more
		return c.path()
	}
	return path
}

// path returns the path of an SQLite database.
func (c StoreConfig) path() string {
	if path := strings.TrimPrefix(c.URL, sqliteScheme); path != "" {
		return path
	}
	return filepath.Join(c.DataDir, databaseName)
}

// errBackupPostgres means that PostgreSQL has better tools for it.
var errBackupPostgres = errors.New("the database is PostgreSQL's: back it up with pg_dump --format=custom --schema=ostiary, and restore it with pg_restore --schema=ostiary --clean --if-exists --single-transaction; servers that use it need not stop")

// Backup copies the database to a file, which must not exist. Servers may use it meanwhile.
func (c StoreConfig) Backup(ctx context.Context, file string) error {
	if isPostgres(c.URL) {
		return errBackupPostgres
	}
	return sqlite.Backup(ctx, c.path(), file)
}

// Restore replaces the database by what is in a file that Backup made; one that exists only
// if replace says so. Servers may use it meanwhile.
func (c StoreConfig) Restore(ctx context.Context, file string, replace bool) (sqlite.Restored, error) {
	if isPostgres(c.URL) {
		return sqlite.Restored{}, errBackupPostgres
	}
	if c.URL == "" {
		if err := MakeDataDir(c.DataDir); err != nil {
			return sqlite.Restored{}, err
		}
	}
	return sqlite.Restore(ctx, c.path(), file, replace)
}

func isPostgres(url string) bool {
	return slices.ContainsFunc(postgres.Schemes, func(scheme string) bool { return strings.HasPrefix(url, scheme) })
}

// CheckDatabaseURL returns what is wrong with a database URL; "" is fine. It
// never repeats the URL, which may hold a password.
func CheckDatabaseURL(url string) error {
	path, isSQLite := strings.CutPrefix(url, sqliteScheme)
	switch {
	case url == "":
		return nil
	case isPostgres(url):
		return postgres.Check(url)
	case !isSQLite:
		return errors.New("is of a kind that is not supported; write postgres://user@host/database, or sqlite: and the path of a file, such as sqlite:/var/lib/ostiary/ostiary.db")
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
		return fmt.Errorf("data_dir: the directory cannot be made: %w; give this user the right to, or choose another place", err)
	}
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("data_dir: the directory cannot be made: %w; give this user the right to, or choose another place", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("data_dir: the directory cannot be made: %w; give this user the right to, or choose another place", err)
	}
	return nil
}

// Inspect looks at the database without changing anything, and returns the path of its
// file, or "" for PostgreSQL.
func (c StoreConfig) Inspect(ctx context.Context) (path string, found store.Inspection, err error) {
	if isPostgres(c.URL) {
		found, err = postgres.Inspect(ctx, c.URL)
		return "", found, err
	}
	found, err = sqlite.Inspect(ctx, c.path())
	return c.path(), found, err
}

// File returns the path of the SQLite database; "" for PostgreSQL.
func (c StoreConfig) File() string {
	if isPostgres(c.URL) {
		return ""
	}
	return c.path()
}
