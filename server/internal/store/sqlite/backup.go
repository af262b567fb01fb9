package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"modernc.org/sqlite"

	"github.com/ostiary/ostiary/server/internal/store"
)

// ErrExists means that there is a database already.
var ErrExists = errors.New("there is a database already; replace it with --replace, or move it away")

// Backup copies the database at the path to a file of its own, as it is at one instant.
// Others may use it meanwhile. The file must not exist; it is for its owner alone, and on
// the disk when Backup returns.
func Backup(ctx context.Context, path, file string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database to back up; name that of the server with --data-dir or --database-url (%w)", err)
	} else if err != nil {
		return err
	}
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a backup never replaces a file; choose another name, or move it away (%w)", err)
	} else if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "VACUUM INTO $1", file) // which fills an empty file
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("back up to %s: %w", file, err), os.Remove(file))
	}
	return nil
}

// Restored is what Restore has done.
type Restored struct {
	Sessions, Revocations int64 // in the database now
	// Lost is how many revocations it has given numbers to that the backup does not know.
	Lost int64
}

// Restore replaces what is in the database at the path by what is in a file that Backup
// made. Servers may use it meanwhile: to them it happens at one instant. A database that
// exists is replaced only if replace says so. Errors: ErrExists, store.ErrDamaged and
// store.ErrNewerSchema.
func Restore(ctx context.Context, path, file string, replace bool) (Restored, error) {
	if _, err := os.Stat(file); err != nil {
		return Restored{}, err
	}
	source := fileName(file, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	last, err := lastOf(ctx, source)
	if err != nil {
		return Restored{}, fmt.Errorf("%s is no backup: %w", file, explain(err))
	}
	if err := create(path); err != nil {
		return Restored{}, err
	}
	var restored Restored
	err = locked(ctx, path, func() error {
		if info, err := os.Stat(path); err != nil {
			return err
		} else if info.Size() > 0 {
			if !replace {
				return ErrExists
			}
			if before, err := lastOf(ctx, fileName(path, nil)); err == nil { // a damaged one is replaced too
				restored.Lost = max(0, before-last)
			}
		}
		return restore(ctx, path, source)
	})
	if err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", path, explain(err))
	}
	s, err := Open(ctx, path)
	if err != nil {
		return Restored{}, err
	}
	defer func() { _ = s.Close() }()
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM revocations)`).Scan(&restored.Sessions, &restored.Revocations)
	return restored, explain(err)
}

// lastOf looks for damage, and returns the last sequence that a database has given.
func lastOf(ctx context.Context, name string) (last int64, err error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	_, current, _, err := versions(ctx, db)
	if err != nil {
		return 0, err
	}
	if current == 0 {
		return 0, store.ErrDamaged
	}
	err = db.QueryRowContext(ctx, selectLastSequence).Scan(&last)
	return last, err
}

// restore copies all pages in one transaction.
func restore(ctx context.Context, path, source string) error {
	db, err := connect(path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(driver any) error {
		target, ok := driver.(interface {
			NewRestore(source string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("this driver of SQLite cannot restore")
		}
		backup, err := target.NewRestore(source)
		if err != nil {
			return err
		}
		_, err = backup.Step(-1) // all pages; it waits for other writers
		return errors.Join(err, backup.Finish())
	})
}
