package jwks

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

var errUnsafeSnapshot = errors.New("it must be a regular file that this user or root owns and that nobody else may write: check its keys or delete it, and chmod 600")

// readOwnFile reads up to limit bytes of a file that nobody else can have
// written. It judges the file that it opened, which cannot be exchanged any more.
func readOwnFile(path string, limit int64) ([]byte, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || !isOwn(info, os.Geteuid()) {
		return nil, errUnsafeSnapshot
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// replaceFile writes a file that is there whole or, after a crash, not at all.
func replaceFile(path string, content []byte) (err error) {
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
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// removeLeftovers removes what crashes in the middle of replaceFile left. It is
// tidying, and gives way to whatever hinders it.
func removeLeftovers(path string) {
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
