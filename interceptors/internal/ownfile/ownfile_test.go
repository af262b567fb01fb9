package ownfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
)

var errBroken = errors.New("broken")

func write(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "copy")
	for _, step := range []struct {
		write func(io.Writer) error
		fault error
		want  string
	}{
		{write("first"), nil, "first"},
		{write("second"), nil, "second"},
		{func(w io.Writer) error { return errors.Join(write("third")(w), errBroken) }, errBroken, "second"},
	} {
		if err := ownfile.Replace(path, step.write); !errors.Is(err, step.fault) {
			t.Errorf("Replace = %v; want %v", err, step.fault)
		}
		if got, err := ownfile.Read(path, 100); err != nil || string(got) != step.want {
			t.Errorf("it holds %q, %v; want %q", got, err, step.want)
		}
	}
	if got, err := ownfile.Read(path, 3); err != nil || string(got) != "sec" {
		t.Errorf("%q, %v: read on after the limit", got, err)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info, err)
	}
}

func TestADirectoryIsNotReplaced(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "copy")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ownfile.Replace(path, write("{}")); err == nil {
		t.Error("a directory was replaced")
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
