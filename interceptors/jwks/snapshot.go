package jwks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A snapshot is the last good set, as it is saved to a file. It contains the usable
// keys only, so a private key that an issuer published by mistake is not saved.
type snapshot struct {
	Source    string            `json:"source"`
	FetchedAt time.Time         `json:"fetched_at"`
	Keys      []json.RawMessage `json:"keys"`
}

// CheckSnapshot reports why NewRemote would refuse the file as a snapshot: its
// directory does not exist, or somebody else may have written the file, which could
// then hold anyone's keys. A file that does not exist yet is accepted.
func CheckSnapshot(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("snapshot %s: its directory does not exist: make it, or choose another", path)
	}
	if _, err := readOwnFile(path, 0); errors.Is(err, errUnsafeSnapshot) {
		return fmt.Errorf("snapshot %s: %w", path, err)
	}
	return nil
}

// loadSnapshot publishes the keys of the snapshot. If the snapshot is missing, broken,
// too old or of another source, that is only logged: the fetch will bring keys.
func (r *Remote) loadSnapshot() error {
	path := r.config.Snapshot
	if path == "" {
		return nil
	}
	if err := CheckSnapshot(path); err != nil {
		return err
	}
	removeLeftovers(path)
	// The keys were within the limit when fetched; the other members come on top.
	content, err := readOwnFile(path, 2*r.config.MaxBytes)
	if errors.Is(err, errUnsafeSnapshot) {
		return fmt.Errorf("snapshot %s: %w", path, err)
	}
	if err == nil {
		err = r.useSnapshot(content)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.config.Logger.Warn("the snapshot of the key set is not used", "path", path, "error", err)
	}
	return nil
}

func (r *Remote) useSnapshot(content []byte) error {
	var saved snapshot
	if err := json.Unmarshal(content, &saved); err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if saved.Source != r.config.source() {
		return errors.New("it is of another source")
	}
	age := r.config.Now().Sub(saved.FetchedAt)
	if age < 0 || age >= r.config.MaxStale {
		return fmt.Errorf("its age is %v: from 0 to less than %v is used", age, r.config.MaxStale)
	}
	keys, err := json.Marshal(map[string]any{"keys": saved.Keys})
	if err != nil {
		return err
	}
	d, err := parseDocument(keys, r.config.rules())
	if err != nil {
		return err
	}
	r.publish(d, saved.FetchedAt)
	return nil
}

// saveSnapshot saves the generation, unless there is a newer one.
func (r *Remote) saveSnapshot(g *generation) {
	if r.config.Snapshot == "" {
		return
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	if r.current.Load() != g {
		return
	}
	content, err := json.Marshal(snapshot{Source: r.config.source(), FetchedAt: g.fetchedAt, Keys: g.document.raw})
	if err == nil {
		err = replaceFile(r.config.Snapshot, content)
	}
	if err != nil {
		r.config.Logger.Warn("the snapshot of the key set cannot be written", "path", r.config.Snapshot, "error", err)
	}
}

var errUnsafeSnapshot = errors.New("it must be a regular file that this user or root owns and that nobody else may write: check its keys or delete it, and chmod 600")

// readOwnFile reads up to limit bytes of a file that nobody else can have
// written. It checks the opened file, which cannot be replaced any more.
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
