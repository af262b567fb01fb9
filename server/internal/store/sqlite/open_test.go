package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

func TestFilesAreReadableOnlyByTheirOwner(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, filepath.Join(folder, "ostiary.db"))
	if _, err := s.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session"}, ExpiresAt: time.Now()}}, nil); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		names[entry.Name()] = true
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v; want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ostiary.db", "ostiary.db-wal"} {
		if !names[name] {
			t.Errorf("there is no %s: the test looks at the wrong files", name)
		}
	}
}

func TestManyProcessesOpenTheDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/ostiary.db"
	stores := make([]*sqlite.Store, 8)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			var err error
			if stores[i], err = sqlite.Open(t.Context(), path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		if s == nil {
			continue
		}
		if _, err := s.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session"}, ExpiresAt: time.Now()}}, nil); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	var applied int
	execute(t, path, func(db *sql.DB) error {
		return db.QueryRowContext(t.Context(), "SELECT count(*) FROM goose_db_version WHERE version_id = 1").Scan(&applied)
	})
	if applied != 1 {
		t.Errorf("the first migration was applied %d times", applied)
	}
}

func execute(t *testing.T, path string, do func(*sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := do(db); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedOrNewerDatabaseIsNotOpened(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
	}{
		"of a newer version": {
			spoil: func(t *testing.T, path string) {
				execute(t, path, func(db *sql.DB) error {
					_, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, 1)")
					return err
				})
			},
			want: store.ErrNewerSchema,
		},
		"that is something else": {
			spoil: func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("no database. "), 1000)) },
			want:  store.ErrDamaged,
		},
		"with a page that was overwritten": {
			spoil: func(t *testing.T, path string) {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				write(t, path, append(data[:8192:8192], bytes.Repeat([]byte{0xa5}, len(data)-8192)...))
			},
			want: store.ErrDamaged,
		},
		"that is two": {
			spoil: func(t *testing.T, path string) {
				execute(t, path, func(db *sql.DB) error {
					_, err := db.ExecContext(t.Context(), "DROP INDEX epochs_has_one_row; INSERT INTO epochs SELECT randomblob(16)")
					return err
				})
			},
			want: store.ErrDamaged,
		},
		"that is two, from before that was noticed": {
			spoil: func(t *testing.T, path string) {
				execute(t, path, func(db *sql.DB) error {
					_, err := db.ExecContext(t.Context(), "DROP INDEX epochs_has_one_row; INSERT INTO epochs SELECT randomblob(16); DELETE FROM goose_db_version WHERE version_id >= 7")
					return err
				})
			},
			want: store.ErrDamaged,
		},
		"that was cut short": {
			spoil: func(t *testing.T, path string) {
				if err := os.Truncate(path, 8192); err != nil {
					t.Fatal(err)
				}
			},
			want: store.ErrDamaged,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/ostiary.db"
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, path)
			_, err := sqlite.Open(t.Context(), path)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v; want %v", err, test.want)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%v\ndoes not say which database", err)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	write(t, file, nil)
	_, err := sqlite.Open(t.Context(), file+"/ostiary.db")
	var failure *fs.PathError
	if !errors.As(err, &failure) || failure.Path != file {
		t.Errorf("error %v; want one about %s", err, file)
	}
}

func TestACommitIsSyncedBeforeItReturns(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir()+"/ostiary.db")
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} {
		if got := s.Pragma(t, pragma); got != want {
			t.Errorf("%s is %s; want %s", pragma, got, want)
		}
	}
}
