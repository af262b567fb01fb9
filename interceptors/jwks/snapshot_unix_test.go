//go:build unix

package jwks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
)

func TestASnapshotThatSomebodyElseMayHaveWrittenIsRefused(t *testing.T) {
	t.Parallel()
	write := func(mode os.FileMode) func(path string) error {
		return func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)) }
	}
	for _, row := range []struct {
		name string
		put  func(path string) error
	}{
		{"its group may write it", write(0o620)},
		{"others may write it", write(0o602)},
		{"anyone may write it", write(0o666)},
		{"it is a link", func(path string) error {
			return errors.Join(os.WriteFile(path+".target", nil, 0o600), os.Symlink(path+".target", path))
		}},
		{"it is a pipe that nobody writes to", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"it is a directory", func(path string) error { return os.Mkdir(path, 0o700) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := row.put(path); err != nil {
				t.Fatal(err)
			}
			_, err := NewRemote(RemoteConfig{URL: "https://issuer.example", Snapshot: path})
			if !errors.Is(err, ownfile.ErrUnsafe) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want the path and what is wrong", err)
			}
		})
	}
}
