package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// A disk is a small file system of its own.
type disk string

func newDisk(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1m", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("this user may not mount a disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk(dir)
}

func (d disk) fill(t *testing.T) {
	t.Helper()
	file := filepath.Join(string(d), "filled")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%v; want it full", err)
	}
}

func (d disk) protect(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro", string(d)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestADatabaseOnAFullOrReadOnlyDiskIsRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		crashed bool // whether what was written last is not in the file itself yet
		spoil   func(disk, *testing.T)
	}{
		"full":                      {false, disk.fill},
		"read-only":                 {false, disk.protect},
		"full, after a crash":       {true, disk.fill},
		"read-only, after a crash":  {true, disk.protect},
		"read-only, without a lock": {false, func(d disk, t *testing.T) { t.Helper(); unlock(t, d); d.protect(t) }},
		"full, without a lock":      {false, func(d disk, t *testing.T) { t.Helper(); unlock(t, d); d.fill(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			path := filepath.Join(string(d), "ostiary.db")
			s := open(t, path)
			revoke := func(s store.Store) error {
				_, err := s.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session", Value: "sess_1"}, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}}, nil)
				return err
			}
			if err := revoke(s); err != nil {
				t.Fatal(err)
			}
			epoch := s.Epoch()
			if test.crashed {
				kept := t.TempDir()
				copyFiles(t, string(d), kept)
				_ = s.Close()
				copyFiles(t, kept, string(d))
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			test.spoil(d, t)
			again := open(t, path)
			if kept, err := again.Revocations(t.Context(), store.RevocationListing{}, 10); err != nil || len(kept) != 1 || again.Epoch() != epoch {
				t.Errorf("%d revocations, %v; want the one that was made", len(kept), err)
			}
			_, err := again.SaveSessions(t.Context(), []store.Session{{ID: strings.Repeat("x", 2<<20)}})
			if err == nil {
				t.Error("something was written")
			}
			if why := again.ReadOnly(); why != nil && !strings.Contains(err.Error(), path+" cannot be written: free space on its disk, or make it writable, and restart the server") {
				t.Errorf("%v\ndoes not name the file and the remedy", err)
			}
		})
	}
}

func unlock(t *testing.T, d disk) {
	t.Helper()
	if err := os.Remove(filepath.Join(string(d), "ostiary.db.lock")); err != nil {
		t.Fatal(err)
	}
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	names, err := filepath.Glob(from + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, filepath.Base(name)), data)
	}
}

// Nobody who reads it alone would see what others write later.
func TestWhatOthersWriteToADiskThatWasReadOnlyIsNoticed(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	path := filepath.Join(string(d), "ostiary.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	d.protect(t)
	reader := open(t, path)
	if reader.ReadOnly() == nil {
		t.Fatal("it is not read-only: the test shows nothing")
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,rw", string(d)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	writer, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if _, err := writer.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session"}, ExpiresAt: time.Now()}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Revocations(t.Context(), store.RevocationListing{}, 10); err == nil || !strings.Contains(err.Error(), "restart this server") {
		t.Errorf("%v; want an error that names the remedy", err)
	}
}
