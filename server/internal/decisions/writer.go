package decisions

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writtenAtOnce is how many records are written at once. They fit into the smallest file,
	// of 1 MiB, also if each is as long as can be: some 85 KiB, all escaped.
	writtenAtOnce = 10
	// rest is how long the writer waits for more records after it has written some.
	rest = 20 * time.Millisecond
	// retryInterval is how long it waits after a write has failed.
	retryInterval = time.Second
	// closeTimeout is how long close waits for what is still to be written.
	closeTimeout = 2 * time.Second
)

// An output takes whole lines. It returns how many bytes of them it has kept, which end with
// a whole line too where there is an error.
type output interface {
	write(lines []byte) (kept int, err error)
	close() error
}

// A writer writes the records of a Log, as lines of JSON. It makes them on a goroutine of its
// own, so that calls do not wait for them.
type writer struct {
	log     *Log
	slog    *slog.Logger
	out     output
	records *reader
	lines   bytes.Buffer // to be written

	written, lost atomic.Uint64
	failing       atomic.Bool
	untold        uint64 // of lost: of which no line says that

	stop func() // closes stopping, once
	// stopping is closed by close, and done once nothing is written any more.
	stopping, done chan struct{}
}

func newWriter(l *Log, out output, log *slog.Logger) *writer {
	w := &writer{log: l, slog: log, out: out, records: l.entries.read(), stopping: make(chan struct{}), done: make(chan struct{})}
	w.stop = sync.OnceFunc(func() { close(w.stopping) })
	go w.run()
	return w
}

func (w *writer) close() error {
	w.stop()
	select {
	case <-w.done:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("the latest records of decisions were not written in time and are lost")
	}
}

// run writes until close is called and all is written, or cannot be.
func (w *writer) run() {
	defer close(w.done)
	defer func() { _ = w.out.close() }()
	defer w.records.close()
	for stopping := false; ; {
		entries, missed, added := w.records.take(writtenAtOnce)
		w.lose(missed)
		switch {
		case len(entries) > 0:
			w.write(entries)
			continue
		case stopping:
			return
		}
		select {
		case <-added:
			select { // so that a busy server writes many records at once
			case <-time.After(rest):
			case <-w.stopping:
			}
		case <-w.stopping:
			stopping = true
		}
	}
}

func (w *writer) append(r *Record) { w.lines.Write(r.appendTo(w.lines.AvailableBuffer())) }

func (w *writer) lose(records uint64) {
	w.lost.Add(records)
	w.untold += records
}

// write writes records, and tries again until it has: meanwhile the queue fills, and then
// loses the oldest. When the writer is closed, there is no further try.
func (w *writer) write(entries []*entry) {
	if w.untold > 0 {
		w.append(&Record{Time: entries[0].time.UTC(), Lost: w.untold})
		w.untold = 0
	}
	for _, e := range entries {
		w.append(w.log.record(e))
	}
	defer w.lines.Reset()
	for {
		kept, err := w.out.write(w.lines.Bytes())
		w.lines.Next(kept)
		if err == nil {
			break
		}
		if !w.failing.Swap(true) {
			w.slog.Error("records of decisions cannot be written; it is tried again each second", "error", err, "remedy", "make room on the disk, or see to it that the file can be written")
		}
		select {
		case <-time.After(retryInterval):
			continue
		case <-w.stopping:
		}
		left := min(bytes.Count(w.lines.Bytes(), []byte{'\n'}), len(entries))
		w.written.Add(uint64(len(entries) - left)) //nolint:gosec // not negative
		w.lose(uint64(left))                       //nolint:gosec // not negative
		return
	}
	w.written.Add(uint64(len(entries)))
	if w.failing.Swap(false) {
		w.slog.Info("records of decisions are written again", "lost", w.lost.Load())
	}
}
