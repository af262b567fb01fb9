package feed

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// header is the first line of a snapshot, in JSON. After it comes every revocation as an
// ostiary.feed.v1.Revoked with its length in front (protodelim), or every message of a
// Relay, and then the SHA-256 of all that.
type header struct {
	Format     int       `json:"ostiary_revocations"`
	KnownCases int       `json:"known_cases"` // of who wrote it
	Hubs       []string  `json:"hubs"`
	SavedAt    time.Time `json:"saved_at"`
	// CompleteAt is as of when the copy is complete; zero if it never was.
	CompleteAt time.Time `json:"complete_at,omitzero"`
	Position   string    `json:"position,omitempty"`
	Relay      bool      `json:"relay,omitempty"` // the position is that of its last message
}

const (
	snapshotFormat = 1
	// maxSnapshot bounds the file: some ten million revocations.
	maxSnapshot = 1 << 30
	// maxHeader bounds its first line. A revocation is part of a message.
	maxHeader = maxPosition + 64<<10

	// saveInterval is how often the snapshot is written at most, and refreshInterval how
	// often at least, since its age counts.
	saveInterval    = 30 * time.Second
	refreshInterval = 10 * time.Minute
)

// loadSnapshot adds what the snapshot has to the copy. If the file is missing or cannot be
// used, that is only logged: the hub has everything.
func (f *Follower) loadSnapshot() error {
	path := f.config.Snapshot
	if path == "" {
		return nil
	}
	ownfile.RemoveLeftovers(path)
	if ownfile.OthersMayReplace(path) {
		f.config.Logger.Warn("others can put an older file in place of the snapshot of revocations, or be the first to write there, since they own its directory or may write to it", "path", path)
	}
	file, err := ownfile.Open(path)
	if errors.Is(err, ownfile.ErrUnsafe) {
		return fmt.Errorf("snapshot %s: %w", path, err)
	}
	if err == nil {
		err = f.useSnapshot(file)
		_ = file.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.config.Logger.Warn("the snapshot of revocations is not used, or not as one that is complete", "path", path, "error", err)
	}
	return nil
}

func (f *Follower) useSnapshot(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	saved, next, err := openSnapshot(file, info.Size())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(f.config.Hubs, func(hub string) bool { return slices.Contains(saved.Hubs, hub) }) {
		return errors.New("it is of other hubs")
	}
	if saved.Relay != (f.config.Relay != nil) {
		return errors.New("it is of a relay, or this is one and it is not")
	}
	if saved.Relay {
		return f.useMessages(saved, next)
	}
	for {
		var changes []*feedv1.Change
		for len(changes) < 1000 && err == nil {
			revoked := new(feedv1.Revoked)
			if err = next(revoked); err == nil {
				changes = append(changes, &feedv1.Change{Change: &feedv1.Change_Revoked{Revoked: revoked}})
			}
		}
		if unknown := f.add(changes); unknown != nil {
			return unknown
		}
		switch {
		case errors.Is(err, io.EOF):
			return f.restore(saved)
		case err != nil:
			return err
		}
	}
}

// useMessages gives the messages of a Relay back to it. What this version does not know of
// them, the copy lacks; what was not known when they were written, it may not lack any more.
func (f *Follower) useMessages(saved header, next func(proto.Message) error) error {
	saved.Position, saved.KnownCases = "", knownCases
	for first := true; ; first = false {
		message := new(feedv1.WatchChangesResponse)
		switch err := next(message); {
		case errors.Is(err, io.EOF):
			return f.restore(saved)
		case err != nil:
			return err
		}
		if err := f.config.Relay.Receive(message, first); err != nil {
			return err
		}
		f.lacks(f.add(message.GetChanges()))
		saved.Position = message.GetResumeToken()
	}
}

// restore goes on from where the snapshot was written, as far as it can be relied on.
func (f *Follower) restore(saved header) error {
	s, now := &f.state, f.now()
	if saved.SavedAt.Sub(now.wall) > maxJump {
		return errors.New("it was written at a time to come, so that it may lack what had expired then: a clock was set")
	}
	if saved.KnownCases == knownCases {
		s.position = saved.Position
		if s.unknown == nil {
			f.stored = saved.Position
		}
	}
	if saved.CompleteAt.IsZero() {
		return nil
	}
	age := max(now.wall.Sub(saved.CompleteAt), 0)
	if age >= f.config.Retention {
		return fmt.Errorf("it was complete %v ago, and what was revoked then has expired by now", age)
	}
	s.caughtUp, s.complete = true, reading{now.running - age, saved.CompleteAt}
	return nil
}

// keepSnapshot writes the snapshot from time to time, and at the end.
func (f *Follower) keepSnapshot(ctx context.Context) {
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	for since := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			f.saveSnapshot()
			return
		case <-ticker.C:
		}
		since += saveInterval
		f.mu.Lock()
		due := f.unsaved || since >= refreshInterval
		f.mu.Unlock()
		if due {
			f.saveSnapshot()
			since = 0
		}
	}
}

func (f *Follower) saveSnapshot() {
	f.mu.Lock()
	if !f.state.caughtUp && !f.unsaved {
		f.mu.Unlock()
		return // rather keep what is there
	}
	now := f.now()
	// The position first: the revocations that are listed below include all that it covers.
	saved := header{Format: snapshotFormat, KnownCases: knownCases, Hubs: f.config.Hubs, SavedAt: now.wall, Position: f.stored}
	if f.state.caughtUp {
		saved.CompleteAt = now.wall.Add(-now.since(f.state.complete))
	}
	f.unsaved = false
	f.mu.Unlock()
	contents := revokedMessages(f.list.All())
	if f.config.Relay != nil {
		saved.Relay, saved.Position = true, ""
		contents = func(yield func(proto.Message) bool) {
			f.config.Relay.Messages()(func(m *feedv1.WatchChangesResponse) bool { return yield(m) })
		}
	}
	err := ownfile.Replace(f.config.Snapshot, func(w io.Writer) error { return writeSnapshot(w, maxSnapshot, saved, contents) })
	if err != nil {
		f.mu.Lock()
		f.unsaved = true
		f.mu.Unlock()
		f.config.Logger.Warn("the snapshot of revocations cannot be written", "path", f.config.Snapshot, "error", err)
	}
}

func revokedMessages(revocations iter.Seq[revocation.Revocation]) iter.Seq[proto.Message] {
	return func(yield func(proto.Message) bool) {
		for r := range revocations {
			if !yield(revokedOf(r)) {
				return
			}
		}
	}
}

func writeSnapshot(to io.Writer, limit int, saved header, contents iter.Seq[proto.Message]) error {
	hash := sha256.New()
	w := io.MultiWriter(to, hash)
	line, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	size, err := w.Write(append(line, '\n'))
	if err != nil {
		return err
	}
	for message := range contents {
		written, err := protodelim.MarshalTo(w, message)
		if err != nil {
			return err
		}
		if size += written; size > limit-sha256.Size {
			return fmt.Errorf("the copy is larger than %d bytes", limit)
		}
	}
	_, err = to.Write(hash.Sum(nil))
	return err
}

// openSnapshot checks the snapshot and returns its header, and a function that reads
// one revocation or message after the other, and at the end returns io.EOF.
func openSnapshot(file io.ReaderAt, size int64) (saved header, next func(proto.Message) error, err error) {
	length := size - sha256.Size
	if length < 0 || size > maxSnapshot {
		return header{}, nil, errors.New("it has the wrong size")
	}
	sum, hash := make([]byte, sha256.Size), sha256.New()
	_, err = file.ReadAt(sum, length)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, nil, err
	}
	if _, err = io.Copy(hash, io.NewSectionReader(file, 0, length)); err != nil {
		return header{}, nil, err
	}
	if !bytes.Equal(hash.Sum(nil), sum) {
		return header{}, nil, errors.New("it is damaged: its checksum is wrong")
	}
	content := bufio.NewReaderSize(io.NewSectionReader(file, 0, length), maxHeader)
	line, err := content.ReadSlice('\n')
	if err != nil {
		return header{}, nil, fmt.Errorf("its header cannot be read: %w", err)
	}
	if err := json.Unmarshal(line, &saved); err != nil {
		return header{}, nil, fmt.Errorf("its header cannot be read: %w", err)
	}
	if saved.Format != snapshotFormat {
		return header{}, nil, fmt.Errorf("it has the format %d: only %d is read", saved.Format, snapshotFormat)
	}
	options := protodelim.UnmarshalOptions{MaxSize: maxMessage}
	return saved, func(into proto.Message) error { return options.UnmarshalFrom(content, into) }, nil
}
