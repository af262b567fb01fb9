// Package decisions keeps a record of what was decided about each call: as lines of JSON in a
// file that is rotated, or on standard output, and for operators who watch. These also see what
// services have reported, and what was decided before they came.
//
//	log, err := decisions.Open(decisions.Config{Output: "/var/log/ostiary/decisions.jsonl", Log: logger})
//	guard.Observer = log
//	watcher, before := log.WatchRecent()
//	records, missed, added, reported := watcher.Next()
//
// A call never waits for the disk or for who watches: what they have not read in time is lost
// to them, counted, and they are told.
package decisions

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/tracing"
)

// The outputs that are no file.
const (
	None   = "none"
	Stdout = "stdout"
)

// Config says where records are written.
type Config struct {
	// Output is the path of a file, Stdout, or None.
	Output string
	// MaxBytes is how long the file becomes before it is rotated, and MaxFiles how many
	// rotated ones are kept.
	MaxBytes int64
	MaxFiles int
	// RuleSource returns where the rule of a procedure came from; "" where it has none. Optional.
	RuleSource func(procedure string) string
	// Log gets what goes wrong, and that it is well again.
	Log *slog.Logger
}

// A Log keeps the records. Its methods may be called from any goroutine.
type Log struct {
	run       string // the beginning of all IDs
	opened    time.Time
	source    func(procedure string) string
	entries   queue
	reported  queue // what services have decided
	strangers strangers
	watchers  atomic.Int64
	writer    *writer // nil where nothing is written

	accepted, rejected atomic.Uint64 // of what services have reported
}

// Open opens the output. The error says what is wrong with it, and what to do.
func Open(config Config) (*Log, error) {
	l := &Log{run: rand.Text()[:10], opened: time.Now(), source: config.RuleSource}
	l.strangers.flush = func(of auth.Decision, count int64) {
		e := &entry{time: time.Now(), decision: of, count: count}
		e.settle()
		l.entries.add(e)
	}
	out, err := open(config)
	if err != nil || out == nil {
		return l, err
	}
	l.writer = newWriter(l, out, config.Log)
	return l, nil
}

// Close writes what was decided by now, for two seconds at most.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.strangers.flushNow()
	if l.writer == nil {
		return nil
	}
	return l.writer.close()
}

// Observe implements auth.Observer. It waits for nothing.
func (l *Log) Observe(ctx context.Context, d auth.Decision) {
	if d.OfStranger() && !l.strangers.admit(&d) {
		return
	}
	e := &entry{time: time.Now(), decision: d}
	if l.source != nil {
		e.rule = l.source(d.Procedure)
	}
	e.trace.traceID, e.trace.spanID = tracing.IDs(ctx)
	e.settle()
	l.entries.add(e)
}

// Status says how the Log is.
type Status struct {
	// Written is how many records were written, and Lost how many could not be.
	Written, Lost uint64
	// Watchers is how many watch.
	Watchers int64
	// Failing is whether the output does not take records.
	Failing bool
	// Reported is how many records services have reported, and Rejected how many were left out.
	Reported, Rejected uint64
}

// Status returns how the Log is.
func (l *Log) Status() Status {
	s := Status{Watchers: l.watchers.Load(), Reported: l.accepted.Load(), Rejected: l.rejected.Load()}
	if l.writer != nil {
		s.Written, s.Lost, s.Failing = l.writer.written.Load(), l.writer.lost.Load(), l.writer.failing.Load()
	}
	return s
}

func (l *Log) id(number uint64) string { return l.run + "-" + strconv.FormatUint(number, 10) }

// A Watcher reads records from when it was made on. It is for one goroutine.
type Watcher struct {
	log           *Log
	own, reported *reader
	close         func()
}

// Watch returns a Watcher. Close it.
func (l *Log) Watch() *Watcher { return l.watcher(l.entries.read(), l.reported.read()) }

func (l *Log) watcher(own, reported *reader) *Watcher {
	w := &Watcher{log: l, own: own, reported: reported}
	l.watchers.Add(1)
	w.close = sync.OnceFunc(func() {
		l.watchers.Add(-1)
		w.own.close()
		w.reported.close()
	})
	return w
}

// watchedAtOnce is how many records of each kind, own and reported, a watcher gets at once.
const watchedAtOnce = 200

// Next returns the next records, and how many it has missed before them. Where there are
// none, added or reported is closed with the next.
func (w *Watcher) Next() (records []*Record, missed uint64, added, reported <-chan struct{}) {
	entries, missed, added := w.own.take(watchedAtOnce)
	others, missedOthers, reported := w.reported.take(watchedAtOnce)
	entries = append(entries, others...)
	for _, e := range entries {
		records = append(records, w.log.record(e))
	}
	return records, missed + missedOthers, added, reported
}

// Close ends the watch.
func (w *Watcher) Close() { w.close() }
