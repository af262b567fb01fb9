package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

func snapshotAt(path string) func(*Config) { return func(c *Config) { c.Snapshot = path } }

// headerOf reads the header of a snapshot.
func headerOf(t *testing.T, path string) (h header) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if err := json.Unmarshal(line, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestARestartInAnOutageServesWhatItKnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1", "sess_2")
		before := fleet.follow(t, snapshotAt(path))
		pass(time.Second)
		_ = before.Close()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v; want 0600", info, err)
		}
		hub.kill()
		hub.revoke("sess_3")
		pass(time.Hour)
		after := fleet.follow(t, snapshotAt(path))
		synctest.Wait()
		assertRevoked(t, after, "sess_1", "sess_2")
		assertAdmitted(t, after, "sess_3")
		if s := after.Status(); !s.Ready || !s.Stale || s.Age != time.Hour || s.Revocations != 2 {
			t.Errorf("Status = %+v", s)
		}
		hub.revive()
		pass(30 * time.Second)
		assertAsked(t, hub, "", "e1:2")
		assertRevoked(t, after, "sess_1", "sess_2", "sess_3")
		if s := after.Status(); s.Stale || s.Age > time.Second {
			t.Errorf("Status = %+v", s)
		}
	})
}

func TestTheSnapshotIsWrittenFromTimeToTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		written := func() time.Duration { return time.Since(headerOf(t, path).SavedAt) }
		hub.revoke("sess_1")
		pass(saveInterval)
		if got := written(); got != 0 {
			t.Errorf("written %v ago", got)
		}
		pass(saveInterval)
		if got := written(); got != saveInterval {
			t.Errorf("written %v ago, although nothing has changed", got)
		}
		hub.revoke("sess_2")
		pass(saveInterval - time.Second)
		if got := written(); got < saveInterval {
			t.Errorf("written %v ago, sooner than every %v", got, saveInterval)
		}
		pass(time.Second)
		if got := headerOf(t, path); time.Since(got.SavedAt) != 0 || got.Position != "e1:2" || time.Since(got.CompleteAt) > time.Second {
			t.Errorf("the header is %+v", got)
		}
		pass(refreshInterval)
		if got := written(); got != 0 {
			t.Errorf("written %v ago; want it refreshed", got)
		}
	}, snapshotAt(path))
}

// TestThePositionOfAChangeThatIsMissingIsNotStored restarts a follower that has read a
// change which it does not know: so it reads it again.
func TestThePositionOfAChangeThatIsMissingIsNotStored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		before := fleet.follow(t, snapshotAt(path))
		synctest.Wait()
		hub.set(func() { hub.changes = append(hub.changes, grant()) })
		pass(10 * time.Second)
		hub.revoke("sess_2")
		synctest.Wait()
		_ = before.Close()
		if got := headerOf(t, path); got.Position != "e1:1" || time.Since(got.CompleteAt) != 10*time.Second {
			t.Errorf("the header is %+v", got)
		}
		after := fleet.follow(t, snapshotAt(path))
		assertRevoked(t, after, "sess_2")
		synctest.Wait()
		assertAsked(t, hub, "", "e1:1")
		if s := after.Status(); !s.Ready || !s.Stale {
			t.Errorf("Status = %+v", s)
		}
	})
}

// A copy that was never whole is kept, but is not ready with.
func TestHalfACopyIsStoredAsHalf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		hub.edit = func(m *feedMessage) { m.CompleteThrough = nil }
		_ = fleet.follow(t, snapshotAt(path), func(c *Config) { c.AllowEmptyStart = true }).Close()
		before := fleet.follow(t, snapshotAt(path), func(c *Config) { c.AllowEmptyStart = true })
		synctest.Wait()
		_ = before.Close()
		hub.kill()
		after := fleet.follow(t, snapshotAt(path))
		assertRevoked(t, after, "sess_1")
		assertReason(t, after, "sess_2", auth.RevocationsStale)
		hub.set(func() { hub.edit = nil })
		hub.revive()
		pass(5 * time.Second)
		if got := hub.asked(); got[len(got)-1] != "e1:1" {
			t.Errorf("the hub was asked from %q", got)
		}
		assertAdmitted(t, after, "sess_2")
	})
}

// written returns a snapshot of one revocation.
func written(t testing.TB, h header, revocations ...revocation.Revocation) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := writeSnapshot(&content, maxSnapshot, h, revokedMessages(slices.Values(revocations))); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// summed adds the checksum.
func summed(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return append([]byte(content), sum[:]...)
}

func TestSnapshotsAndWhatIsUsedOfThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where the clock of a bubble starts
	sess1 := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1", AllTokens: true, Expires: now.Add(time.Hour)}
	good := header{
		Format: snapshotFormat, KnownCases: knownCases, Hubs: []string{"http://127.0.0.1:80"},
		SavedAt: now, CompleteAt: now, Position: "e1:0",
	}
	with := func(change func(*header)) []byte {
		h := good
		change(&h)
		return written(t, h, sess1)
	}
	whole := written(t, good, sess1)
	flip := func(at int) []byte {
		content := slices.Clone(whole)
		content[(at+len(content))%len(content)] ^= 0x10
		return content
	}
	for name, row := range map[string]struct {
		content []byte
		says    string // in the log; empty: it is used
		revoked bool
		ready   bool
		from    string
	}{
		"whole":                             {whole, "", true, true, "e1:0"},
		"without a position":                {with(func(h *header) { h.Position = "" }), "", true, true, ""},
		"never complete":                    {with(func(h *header) { h.CompleteAt = time.Time{} }), "", true, false, "e1:0"},
		"of a version that knew less":       {with(func(h *header) { h.KnownCases-- }), "", true, true, ""},
		"almost too old":                    {with(func(h *header) { h.CompleteAt = now.Add(time.Second - revocation.DefaultRetention) }), "", true, true, "e1:0"},
		"too old":                           {with(func(h *header) { h.CompleteAt = now.Add(-revocation.DefaultRetention) }), "has expired by now", true, false, "e1:0"},
		"written by a clock a little ahead": {with(func(h *header) { h.SavedAt, h.CompleteAt = now.Add(maxJump), now.Add(maxJump) }), "", true, true, "e1:0"},
		"written by a clock ahead":          {with(func(h *header) { h.SavedAt = now.Add(maxJump + 1) }), "a clock was set", true, false, ""},
		"of other hubs":                     {with(func(h *header) { h.Hubs = []string{"https://ostiary.staging"} }), "of other hubs", false, false, ""},
		"of a hub among others":             {with(func(h *header) { h.Hubs = append([]string{"https://old"}, h.Hubs...) }), "", true, true, "e1:0"},
		"of another format":                 {with(func(h *header) { h.Format++ }), "the format 2", false, false, ""},
		"empty":                             {nil, "wrong size", false, false, ""},
		"nothing but a checksum":            {summed(""), "header cannot be read", false, false, ""},
		"without a line":                    {summed("{}"), "header cannot be read", false, false, ""},
		"without JSON":                      {summed("x\n"), "header cannot be read", false, false, ""},
		"a header that is too long":         {summed(`{"x":"` + strings.Repeat("x", maxHeader) + "\"}\n"), "header cannot be read", false, false, ""},
		"cut short":                         {whole[:len(whole)-1], "its checksum is wrong", false, false, ""},
		"cut to nearly nothing":             {whole[:sha256.Size-1], "wrong size", false, false, ""},
		"with more behind it":               {append(slices.Clone(whole), 0), "its checksum is wrong", false, false, ""},
		"a bit of the header was flipped":   {flip(2), "its checksum is wrong", false, false, ""},
		"a bit of a revocation was flipped": {flip(-sha256.Size - 3), "its checksum is wrong", false, false, ""},
		"a bit of the checksum was flipped": {flip(-1), "its checksum is wrong", false, false, ""},
		"a revocation is cut":               {summed(string(whole[:len(whole)-sha256.Size-2])), "unexpected EOF", false, false, ""},
		"a revocation that means nothing":   {summed(string(whole[:len(whole)-sha256.Size]) + "\x00"), "does not know", true, false, ""},
		"a revocation that is no message":   {summed(string(whole[:len(whole)-sha256.Size]) + "\x01\xff"), "proto", true, false, ""},
		"a revocation that is too long":     {summed(string(whole[:len(whole)-sha256.Size]) + "\xff\xff\xff\xff\x0f"), "exceeded unmarshaler's maximum", true, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "revocations")
			if err := os.WriteFile(path, row.content, 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				hub := fleet.hubs[0]
				hub.down = true
				follower := fleet.follow(t, snapshotAt(path))
				if got := follower.Status().Ready; got != row.ready {
					t.Errorf("ready: %t; want %t", got, row.ready)
				}
				switch {
				case row.revoked:
					assertRevoked(t, follower, "sess_1")
				case !row.ready:
					assertReason(t, follower, "sess_1", auth.RevocationsStale)
				}
				if logged := fleet.text(); strings.Contains(logged, "snapshot") != (row.says != "") || !strings.Contains(logged, row.says) {
					t.Errorf("the log does not say %q:\n%s", row.says, logged)
				}
				hub.revive()
				pass(2 * time.Second)
				assertAsked(t, hub, row.from)
				assertAdmitted(t, follower, "sess_2")
			})
		})
	}
}

// A follower that has learned nothing does not replace a file that another version can read.
func TestASnapshotIsNotReplacedByNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	newer := summed(`{"ostiary_revocations":2}` + "\n")
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		fleet.hubs[0].down = true
		follower := fleet.follow(t, snapshotAt(path))
		pass(refreshInterval)
		_ = follower.Close()
		if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, newer) {
			t.Errorf("it holds %q, %v", content, err)
		}
	})
}

// A snapshot that cannot be written takes nothing away, and is tried again.
func TestASnapshotThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "revocations")
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		if err := os.RemoveAll(directory); err != nil {
			t.Fatal(err)
		}
		fleet.hubs[0].revoke("sess_1")
		pass(saveInterval)
		assertRevoked(t, follower, "sess_1")
		if fleet.logged("cannot be written") != 1 {
			t.Errorf("the log does not say once that it cannot be written:\n%s", fleet.text())
		}
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(saveInterval)
		if got := headerOf(t, path); got.Position != "e1:1" {
			t.Errorf("the header is %+v", got)
		}
	}, snapshotAt(path))
}

func TestASnapshotThatIsTooLargeIsNotWritten(t *testing.T) {
	t.Parallel()
	one := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1", AllTokens: true, Expires: never}
	size := len(written(t, header{}, one, one))
	for limit, fits := range map[int]bool{size: true, size - 1: false} {
		err := writeSnapshot(io.Discard, limit, header{}, revokedMessages(slices.Values([]revocation.Revocation{one, one})))
		if fits != (err == nil) || err != nil && !strings.Contains(err.Error(), "larger than") {
			t.Errorf("of %d bytes at most %d: %v", size, limit, err)
		}
	}
	if _, _, err := openSnapshot(bytes.NewReader(nil), maxSnapshot+1); err == nil || !strings.Contains(err.Error(), "wrong size") {
		t.Errorf("%v; want that it is too large", err)
	}
}

func TestADirectoryInWhichOthersCanWriteIsWarnedOf(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := os.Chmod(directory, 0o777); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		fleet.follow(t, snapshotAt(filepath.Join(directory, "revocations")))
		if n := fleet.logged("older file in place"); n != 1 {
			t.Errorf("%d warnings; want 1", n)
		}
	})
}

func TestASnapshotThatOthersMayHaveWrittenIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	config := Config{Hubs: []string{"https://ostiary.internal"}, TokenSource: new(freshTokens), Service: "billing", Snapshot: path}
	if _, err := Follow(config); !errors.Is(err, ownfile.ErrUnsafe) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v; want the path and what is wrong", err)
	}
}

// FuzzSnapshot gives the reader whatever a file can hold with a right checksum, and
// writes what was read again.
func FuzzSnapshot(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all []revocation.Revocation
	for _, target := range targets {
		r, err := revocationOf(&feedv1.Revoked{Target: target})
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, r)
	}
	content := written(f, header{Format: snapshotFormat, Hubs: []string{"https://ostiary.internal"}, SavedAt: now, CompleteAt: now, Position: "p"}, all...)
	content = content[:len(content)-sha256.Size]
	f.Add(content, true)
	f.Add(content, false)
	f.Add(content[:len(content)-3], true)
	f.Add([]byte(`{"ostiary_revocations":1}`+"\n\x00\x02\x12\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true)
	f.Add([]byte("\n"), true)
	f.Fuzz(func(t *testing.T, content []byte, right bool) {
		file := content
		if right {
			file = summed(string(content))
		}
		saved, next, err := openSnapshot(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		if !right {
			sum := sha256.Sum256(file[:max(len(file)-sha256.Size, 0)])
			if !bytes.HasSuffix(file, sum[:]) {
				t.Fatal("a wrong checksum was accepted")
			}
		}
		list := revocation.New(revocation.Config{Now: func() time.Time { return now }})
		for {
			revoked := new(feedv1.Revoked)
			if next(revoked) != nil {
				break
			}
			if r, err := revocationOf(revoked); err == nil {
				_ = list.Add(r)
			}
		}
		var again bytes.Buffer
		if err := writeSnapshot(&again, maxSnapshot, saved, revokedMessages(list.All())); err != nil {
			t.Fatal(err)
		}
		_, next, err = openSnapshot(bytes.NewReader(again.Bytes()), int64(again.Len()))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			revoked := new(feedv1.Revoked)
			err := next(revoked)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := revocationOf(revoked); err != nil {
				t.Fatalf("%v cannot be read again: %v", revoked, err)
			}
		}
		if n != list.Len() {
			t.Errorf("%d were written and %d read again", list.Len(), n)
		}
	})
}
