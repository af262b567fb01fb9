package decisions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
)

// open opens the output; nil for none.
func open(config Config) (output, error) {
	switch config.Output {
	case "", None:
		return nil, nil //nolint:nilnil // there is no output
	case Stdout:
		return stream{os.Stdout}, nil
	}
	f := &file{path: config.Output, maxMiB: int(max(config.MaxBytes>>20, 1)), maxFiles: config.MaxFiles}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

// A stream is an output from which nothing can be taken back.
type stream struct{ io.Writer }

func (s stream) write(lines []byte) (int, error) { return s.Write(lines) }

func (stream) close() error { return nil }

// A file is rotated by size. Each of its lines is whole: what a full disk, or a kill, has left
// of one at its end is removed before more is written.
type file struct {
	path             string
	maxMiB, maxFiles int
	rotated          *timberjack.Logger // nil after a fault
}

// CheckFile returns what is wrong with the path of a file.
func CheckFile(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%q is in no directory that can be read; create the directory, and let this user write in it", path)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%q is no regular file; name a file, stdout or none", path)
	}
	return nil
}

// open makes the file, where it is missing, for this user alone, and has its last line whole.
func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the file of decisions cannot be written; let this user write it and in its directory: %w", err)
	}
	if err := errors.Join(removeTorn(opened), opened.Close()); err != nil {
		return fmt.Errorf("the file of decisions cannot be continued: %w", err)
	}
	f.rotated = &timberjack.Logger{Filename: f.path, MaxSize: f.maxMiB, MaxBackups: f.maxFiles, FileMode: 0o600, Compression: "none"}
	return nil
}

func (f *file) write(lines []byte) (kept int, err error) {
	if f.rotated == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.rotated.Write(lines)
	if err == nil {
		return n, nil
	}
	_ = f.close()
	_ = f.open() // at once, as there may be no further write; otherwise the next one does
	return bytes.LastIndexByte(lines[:n], '\n') + 1, err
}

func (f *file) close() error {
	if f.rotated == nil {
		return nil
	}
	err := f.rotated.Close()
	f.rotated = nil
	return err
}

// removeTorn removes what comes after the last line end, if that is the beginning of a record.
func removeTorn(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end := make([]byte, min(info.Size(), maxLine))
	if _, err := file.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return err
	}
	torn := end[bytes.LastIndexByte(end, '\n')+1:]
	if len(torn) == 0 {
		return nil
	}
	if begins := beginning[:min(len(beginning), len(torn))]; !bytes.HasPrefix(torn, []byte(begins)) {
		return errors.New("it has something else than records at its end; name another file")
	}
	return file.Truncate(info.Size() - int64(len(torn)))
}

const (
	// beginning is that of each line.
	beginning = `{"time":"`
	// maxLine is more than a line has.
	maxLine = 1 << 20
)
