package disk_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/internal/disk"
)

func TestFreeSpaceIsThatOfTheFileSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bytes, files, err := disk.Free(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("it is not known on this system")
	}
	if err != nil || bytes == 0 || files == 0 {
		t.Errorf("%d bytes and %d files are free, %v; a directory that was just made has some", bytes, files, err)
	}
	if _, _, err := disk.Free(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there has %v; want that it does not exist", err)
	}
}
