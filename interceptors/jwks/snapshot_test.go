package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestARestartInAnOutageServesFromTheSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		secret := publicJWK(t, "leaked", edKey(t).Public()).with("d", "c2VjcmV0")
		issuer.publish(t, "first")
		issuer.answerWith(body(string(keySet(t, issuer.keys["first"], secret))))
		config := RemoteConfig{URL: issuer.url, Transport: issuer.transport, Snapshot: path}
		before := newRemote(t, config)
		if err := lookup(t, before, "first"); err != nil {
			t.Fatal(err)
		}
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v: want 0600", info, err)
		}
		content, err := os.ReadFile(path)
		if err != nil || bytes.Contains(content, []byte("leaked")) {
			t.Errorf("the private key got to the disk, or nothing did: %v", err)
		}

		issuer.refusing.Store(true)
		pass(23 * time.Hour)
		after := newRemote(t, config)
		if !after.Ready() {
			t.Error("not ready with a snapshot")
		}
		key, err := findOne(t, after, Hint{KeyID: "first", Algorithm: "ES256"})
		if err != nil || !key.Live() {
			t.Fatal("from the snapshot:", err)
		}
		if age := after.Status().Age; age != 23*time.Hour {
			t.Errorf("the snapshot is %v old, want 23h", age)
		}
		pass(time.Hour)
		if err := lookup(t, after, "first"); !errors.Is(err, ErrUnavailable) || key.Live() {
			t.Errorf("after MaxStale: %v, live %v", err, key.Live())
		}
		issuer.refusing.Store(false)
		pass(slowAway)
		if !key.Live() {
			t.Error("the issuer still lists the key of the snapshot, and it is not live")
		}
	})
}

func TestSnapshotsThatAreNotUsed(t *testing.T) {
	t.Parallel()
	key, err := json.Marshal(publicJWK(t, "first", edKey(t).Public()))
	if err != nil {
		t.Fatal(err)
	}
	good := `{"source":"http://localhost/.well-known/jwks.json","fetched_at":"2000-01-01T00:00:00Z","keys":[` + string(key) + `]}`
	for _, row := range []struct {
		name    string
		content string
		says    string
	}{
		{"of another source", strings.Replace(good, "localhost", "other.example", 1), "another source"},
		{"too old", strings.Replace(good, "2000-01-01", "1999-12-30", 1), "48h0m0s"},
		{"from the future", strings.Replace(good, "2000-01-01", "2000-01-02", 1), "-24h0m0s"},
		{"without a time", strings.Replace(good, "fetched_at", "x", 1), "its age is"},
		{"empty", "", "cannot be read"},
		{"cut short", good[:len(good)-5], "cannot be read"},
		{"with trailing garbage", good + "}", "cannot be read"},
		{"without keys", strings.Replace(good, "keys", "x", 1), "not a usable key set"},
		{"with a private key", strings.Replace(good, `"kty"`, `"d":"c2VjcmV0","kty"`, 1), "not a usable key set"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := os.WriteFile(path, []byte(row.content), 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				issuer := newBubble(t)
				issuer.refusing.Store(true)
				keys := newRemote(t, RemoteConfig{
					URL: issuer.url, Transport: issuer.transport, Snapshot: path,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				if keys.Ready() {
					t.Error("ready with it")
				}
				if err := keys.Close(); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(log.String(), row.says) {
					t.Errorf("the log does not say %q:\n%s", row.says, &log)
				}
			})
		})
	}
}

func TestASnapshotWithoutItsDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "keys.json")
	_, err := NewRemote(RemoteConfig{URL: "https://issuer.example", Snapshot: path})
	if err == nil || !strings.Contains(err.Error(), "directory does not exist") {
		t.Errorf("%v, want that the directory does not exist", err)
	}
}

// TestASnapshotIsNotReplacedByAnOlderOne: writing is left to the last generation
// alone, because the writes of two may come in any order.
func TestASnapshotIsNotReplacedByAnOlderOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{URL: issuer.url, Transport: issuer.transport, Snapshot: path})
		synctest.Wait()
		older := keys.current.Load()
		issuer.publish(t, "second")
		if err := lookup(t, keys, "second"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		keys.saveSnapshot(older)
		if content, err := os.ReadFile(path); err != nil || !bytes.Contains(content, []byte("second")) {
			t.Errorf("the newer snapshot is gone: %s, %v", content, err)
		}
	})
}

func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	others := []string{".keys.json.backup.tmp", ".keys.json.2.json.17.tmp", ".keys.json.17", "keys.json.17.tmp"}
	for _, name := range append([]string{".keys.json.17.tmp", ".keys.json.4294967295.tmp"}, others...) {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newRemote(t, RemoteConfig{URL: newServer(t).url, Snapshot: filepath.Join(directory, "keys.json")})
	for _, name := range []string{".keys.json.17.tmp", ".keys.json.4294967295.tmp"} {
		if _, err := os.Stat(filepath.Join(directory, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
			t.Errorf("%s is no left-over, and was removed: %v", name, err)
		}
	}
}

// TestASnapshotStoreThatFails takes no key away, and is logged.
func TestASnapshotStoreThatFails(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "keys.json")
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Transport: issuer.transport, Snapshot: path,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		synctest.Wait()
		if err := os.RemoveAll(directory); err != nil {
			t.Fatal(err)
		}
		issuer.publish(t, "first", "second")
		pass(15 * time.Minute)
		for _, kid := range []string{"first", "second"} {
			if err := lookup(t, keys, kid); err != nil {
				t.Errorf("%s: %v", kid, err)
			}
		}
		if s := keys.Status(); s.Failures != 0 || !s.Ready {
			t.Errorf("the store counts as the issuer: %+v", s)
		}
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(15 * time.Minute)
		if content, err := os.ReadFile(path); err != nil || !bytes.Contains(content, []byte("second")) {
			t.Errorf("once it can be written again: %s, %v", content, err)
		}
		if err := keys.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if strings.Count(log.String(), "cannot be written") != 1 || !strings.Contains(log.String(), path) {
		t.Errorf("the log does not say once that %s cannot be written:\n%s", path, &log)
	}
}

func TestASnapshotAtTheLimits(t *testing.T) {
	t.Parallel()
	key, err := json.Marshal(publicJWK(t, "first", edKey(t).Public()))
	if err != nil {
		t.Fatal(err)
	}
	const limit = 512
	saved := func(at string, length int) string {
		s := `{"source":"http://localhost/.well-known/jwks.json","fetched_at":"` + at + `","keys":[` + string(key) + `]}`
		return s[:len(s)-1] + strings.Repeat(" ", length-len(s)) + "}"
	}
	for _, row := range []struct {
		name    string
		content string
		want    bool
	}{
		{"written just now", saved("2000-01-01T00:00:00Z", 400), true},
		{"a nanosecond from the future", saved("2000-01-01T00:00:00.000000001Z", 400), false},
		{"a nanosecond younger than MaxStale", saved("1999-12-31T00:00:00.000000001Z", 400), true},
		{"as old as MaxStale", saved("1999-12-31T00:00:00Z", 400), false},
		{"as long as it may be", saved("2000-01-01T00:00:00Z", 2*limit), true},
		{"a byte longer", saved("2000-01-01T00:00:00Z", 2*limit+1), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, row.content)
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(true)
				keys := newRemote(t, RemoteConfig{URL: issuer.url, Transport: issuer.transport, Snapshot: path, MaxBytes: limit})
				if keys.Ready() != row.want {
					t.Errorf("ready %v, want %v", keys.Ready(), row.want)
				}
			})
		})
	}
}
