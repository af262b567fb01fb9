// Package ownfile keeps files over restarts that nobody else may have written: the
// writer of one says what this program trusts after the next start.
package ownfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrUnsafe means that somebody else may have written the file.
var ErrUnsafe = errors.New("it must be a regular file that this user or root owns and that nobody else may write: check what it holds or delete it, and chmod 600")

// Check reports why a file cannot be kept there: its directory does not exist, or
// somebody else may have written the file. A file that does not exist yet is accepted.
func Check(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("snapshot %s: its directory does not exist: make it, or choose another", path)
	}
	file, err := Open(path)
	switch {
	case errors.Is(err, ErrUnsafe):
		return fmt.Errorf("snapshot %s: %w", path, err)
	case err == nil:
		return file.Close()
	default:
		return nil
	}
}

// Open opens a file to read it, or returns ErrUnsafe. It checks the opened file, which
// cannot be replaced any more.
func Open(path string) (*os.File, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || !isOwn(info, os.Geteuid())) {
		err = ErrUnsafe
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Read returns up to limit bytes of a file, or ErrUnsafe.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	return io.ReadAll(io.LimitReader(file, limit))
}

// Replace writes a file that is there whole or, after a crash, not at all. Only this user
// may read it.
func Replace(path string, write func(io.Writer) error) (err error) {
	prefix, suffix := temporary(path)
	file, err := os.CreateTemp(filepath.Dir(path), prefix+"*"+suffix) // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	buffer := bufio.NewWriterSize(file, 64<<10)
	err = write(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// RemoveLeftovers removes what crashes in the middle of Replace left. It is tidying, and
// gives way to whatever hinders it.
func RemoveLeftovers(path string) {
	directory := filepath.Dir(path)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return
	}
	prefix, suffix := temporary(path)
	for _, entry := range entries {
		number, begins := strings.CutPrefix(entry.Name(), prefix)
		number, ends := strings.CutSuffix(number, suffix)
		if begins && ends && strings.Trim(number, "0123456789") == "" {
			_ = os.Remove(filepath.Join(directory, entry.Name()))
		}
	}
}

// temporary returns what stands before and after the number in the name of a file
// that is to replace the one at path.
func temporary(path string) (prefix, suffix string) {
	return "." + filepath.Base(path) + ".", ".tmp"
}
