package logqueue

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is the other end of a log.
type reader struct {
	mu    sync.Mutex
	lines []string
	fault error         // of every write
	stuck chan struct{} // writes wait until it is closed; nil for never
}

func (r *reader) Write(p []byte) (int, error) {
	if r.stuck != nil {
		<-r.stuck
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return 0, r.fault
	}
	r.lines = append(r.lines, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func report(w io.Writer, lines uint64) { fmt.Fprintf(w, "dropped %d\n", lines) }

func write(t *testing.T, q *Queue, line string) {
	t.Helper()
	if n, err := q.Write([]byte(line)); n != len(line) || err != nil {
		t.Fatalf("wrote %d, %v; want all of %d bytes", n, err, len(line))
	}
}

func TestALineThatDoesNotFitIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line string
		fits int
	}{
		"so many lines": {"a line\n", maxLines},
		"so many bytes": {strings.Repeat("a", maxBytes/8-1) + "\n", 7}, // beside the first line
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := &reader{stuck: make(chan struct{})}
				q := New(out, report)
				defer q.Close()
				write(t, q, "first\n")
				synctest.Wait() // it is being written
				for range test.fits + 3 {
					write(t, q, test.line)
				}
				if q.Dropped() != 3 {
					t.Errorf("%d were dropped; want 3", q.Dropped())
				}
				close(out.stuck)
				synctest.Wait()
				write(t, q, "last\n")
				synctest.Wait()
				if got := len(out.lines); got != test.fits+3 || out.lines[0] != "first" || out.lines[1] != "dropped 3" || out.lines[got-1] != "last" {
					t.Errorf("%d lines: first %.20q, then %.20q, last %.20q", got, out.lines[0], out.lines[1], out.lines[got-1])
				}
			})
		})
	}
}

func TestDroppedLinesAreReportedOnceTheReaderIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &reader{fault: errors.New("broken pipe")}
		q := New(out, report)
		defer q.Close()
		write(t, q, "lost\n")
		write(t, q, "lost, too\n")
		synctest.Wait()
		out.fault = nil
		for _, line := range []string{"one\n", "two\n"} {
			write(t, q, line)
			synctest.Wait()
		}
		if got := strings.Join(out.lines, ", "); got != "one, dropped 2, two" {
			t.Errorf("it reads %s", got)
		}
	})
}

func TestClosingWritesWhatIsInTheQueue(t *testing.T) {
	t.Parallel()
	out := new(reader)
	q := New(out, report)
	for range 100 {
		write(t, q, "a line\n")
	}
	q.Close()
	q.Close() // to no effect
	write(t, q, "too late\n")
	if len(out.lines) != 100 {
		t.Errorf("%d lines; want 100", len(out.lines))
	}
}

func TestClosingDoesNotWaitForAReaderThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &reader{stuck: make(chan struct{})}
		q := New(out, report)
		write(t, q, "a line\n")
		start := time.Now()
		q.Close()
		if took := time.Since(start); took != flushTimeout {
			t.Errorf("it took %v; want %v", took, flushTimeout)
		}
		close(out.stuck)
	})
}
