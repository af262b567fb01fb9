// Package logqueue keeps a log that nobody reads from stopping the program: a write to a
// full pipe waits for ever, and so would every call that is logged.
//
//	queue := logqueue.New(os.Stderr, reportDropped)
//	defer queue.Close()
//	logger := slog.New(slog.NewTextHandler(queue, nil))
//
// Lines that do not fit into the queue, or cannot be written, are dropped and counted.
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxLines = 8192
	maxBytes = 4 << 20
	// flushTimeout is how long Close waits for what is in the queue.
	flushTimeout = 2 * time.Second
	// reportInterval is how often dropped lines are reported while the queue does not
	// become empty.
	reportInterval = time.Second
)

// A Queue is an io.Writer that never waits and never fails. One goroutine writes what it
// holds: up to 8192 lines and 4 MiB. It is safe for concurrent use.
type Queue struct {
	out    io.Writer
	report func(w io.Writer, lines uint64)

	lines   chan []byte
	bytes   atomic.Int64 // in lines, and in the one that is being written
	dropped atomic.Uint64

	reported   uint64 // of dropped; this and reportedAt are the goroutine's own
	reportedAt time.Time

	stop func() // closes stopping, once
	// stopping is closed by Close, and done once all is written.
	stopping, done chan struct{}
}

// New returns a Queue in front of out, which must be closed. Once out takes lines again,
// report is called to write how many were dropped since it was called before.
func New(out io.Writer, report func(w io.Writer, lines uint64)) *Queue {
	q := &Queue{
		out: out, report: report, lines: make(chan []byte, maxLines),
		stopping: make(chan struct{}), done: make(chan struct{}),
	}
	q.stop = sync.OnceFunc(func() { close(q.stopping) })
	go q.run()
	return q
}

// Write implements io.Writer. Each call is to give one whole line.
func (q *Queue) Write(line []byte) (int, error) {
	size := int64(len(line))
	if q.bytes.Add(size) <= maxBytes {
		select {
		case q.lines <- bytes.Clone(line):
			return len(line), nil
		default:
		}
	}
	q.bytes.Add(-size)
	q.dropped.Add(1)
	return len(line), nil
}

// Dropped returns how many lines were dropped so far.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Close waits until the queue is written, for two seconds at most. Lines that come later
// may be lost.
func (q *Queue) Close() {
	q.stop()
	select {
	case <-q.done:
	case <-time.After(flushTimeout):
	}
}

func (q *Queue) run() {
	defer close(q.done)
	for {
		select {
		case line := <-q.lines:
			q.write(line)
		case <-q.stopping:
			for {
				select {
				case line := <-q.lines:
					q.write(line)
				default:
					return
				}
			}
		}
	}
}

func (q *Queue) write(line []byte) {
	_, err := q.out.Write(line)
	q.bytes.Add(-int64(len(line)))
	if err != nil {
		q.dropped.Add(1)
		return
	}
	dropped := q.dropped.Load()
	if dropped == q.reported || len(q.lines) > 0 && time.Since(q.reportedAt) < reportInterval {
		return
	}
	var report bytes.Buffer
	q.report(&report, dropped-q.reported)
	if _, err := q.out.Write(report.Bytes()); err == nil {
		q.reported, q.reportedAt = dropped, time.Now()
	}
}
