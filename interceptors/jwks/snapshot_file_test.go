package jwks

import (
	"os"
	"path/filepath"
	"testing"
)

func TestASnapshotThatCannotBeWrittenStaysAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "keys.json")
	if err := os.Mkdir(path, 0o700); err != nil { // a rename cannot replace a directory
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("{}")); err == nil {
		t.Error("a directory was replaced")
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
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
