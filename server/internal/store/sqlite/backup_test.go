package sqlite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

func revoke(t *testing.T, s store.Store, values ...string) []store.Revocation {
	t.Helper()
	var batch []store.Revocation
	for _, value := range values {
		batch = append(batch, store.Revocation{Target: store.Target{Kind: "session", Value: value}, CreatedAt: time.Now().UTC().Truncate(time.Microsecond), ExpiresAt: time.Now().Add(time.Hour)})
	}
	saved, err := s.SaveRevocations(t.Context(), batch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func TestABackupIsRestoredWhileServersUseTheDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, file := filepath.Join(dir, "a folder", "50% of #1?.db"), filepath.Join(dir, "it's a backup.db")
	s := open(t, path)
	kept := revoke(t, s, "kept")
	if err := sqlite.Backup(t.Context(), path, file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	lost := revoke(t, s, "lost", "lost too")
	if err := sqlite.Backup(t.Context(), path, file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second backup to the same file: %v; want ErrExist", err)
	}
	if _, err := sqlite.Restore(t.Context(), path, file, false); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("over a database that is there: %v; want ErrExists", err)
	}
	if got, err := s.Revocations(t.Context(), store.RevocationListing{After: kept[0]}, 10); err != nil || len(got) != 2 {
		t.Errorf("%d revocations, %v; want those that were made since", len(got), err)
	}

	epoch := s.Epoch()
	restored, err := sqlite.Restore(t.Context(), path, file, true)
	if want := (sqlite.Restored{Revocations: 1, Lost: 2}); err != nil || restored != want {
		t.Errorf("%+v, %v; want %+v", restored, err, want)
	}
	if _, err := s.Revocations(t.Context(), store.RevocationListing{After: lost[1]}, 10); !errors.Is(err, store.ErrNotGiven) {
		t.Errorf("after what was lost: %v; want ErrNotGiven", err)
	}
	again := revoke(t, s, "again")
	if got, err := s.Revocations(t.Context(), store.RevocationListing{After: kept[0]}, 10); err != nil || len(got) != 1 || got[0].ID != again[0].ID || s.Epoch() != epoch {
		t.Errorf("%+v, %v; want the one that was made since", got, err)
	}
	if s.Pragma(t, "journal_mode") != "wal" {
		t.Error("the database is not in WAL mode any more")
	}

	elsewhere := filepath.Join(dir, "elsewhere", "ostiary.db")
	if restored, err := sqlite.Restore(t.Context(), elsewhere, file, false); err != nil || restored.Revocations != 1 {
		t.Errorf("where there is none: %+v, %v", restored, err)
	}
	if got, err := open(t, elsewhere).Revocations(t.Context(), store.RevocationListing{}, 10); err != nil || len(got) != 1 || got[0].ID != kept[0].ID {
		t.Errorf("%+v, %v; want what was backed up", got, err)
	}
}

func TestOnlyABackupIsRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ostiary.db")
	s := open(t, path)
	revoke(t, s, "sess_1")
	empty, text := filepath.Join(dir, "empty"), filepath.Join(dir, "text")
	write(t, empty, nil)
	write(t, text, make([]byte, 8192))
	for _, file := range []string{empty, text, filepath.Join(dir, "missing")} {
		if _, err := sqlite.Restore(t.Context(), path, file, true); err == nil {
			t.Errorf("%s was restored", file)
		}
		if got, err := s.Revocations(t.Context(), store.RevocationListing{}, 10); err != nil || len(got) != 1 {
			t.Errorf("after %s: %d revocations, %v; want those from before", file, len(got), err)
		}
	}
	if err := sqlite.Backup(t.Context(), filepath.Join(dir, "missing"), filepath.Join(dir, "backup")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a backup of nothing: %v; want ErrNotExist", err)
	}
}
