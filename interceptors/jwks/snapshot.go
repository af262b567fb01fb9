package jwks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
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
func CheckSnapshot(path string) error { return ownfile.Check(path) }

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
	if !r.config.SnapshotReadOnly {
		ownfile.RemoveLeftovers(path)
	}
	// The keys were within the limit when fetched; the other members come on top.
	content, err := ownfile.Read(path, 2*r.config.MaxBytes)
	if errors.Is(err, ownfile.ErrUnsafe) {
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
	if r.config.Snapshot == "" || r.config.SnapshotReadOnly {
		return
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	if r.current.Load() != g {
		return
	}
	content, err := json.Marshal(snapshot{Source: r.config.source(), FetchedAt: g.fetchedAt, Keys: g.document.raw})
	if err == nil {
		err = ownfile.Replace(r.config.Snapshot, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
	}
	if err != nil {
		r.config.Logger.Warn("the snapshot of the key set cannot be written", "path", r.config.Snapshot, "error", err)
	}
}
