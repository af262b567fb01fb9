package httpauth_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A stuckWriter is a response whose client has stopped reading: a write lasts until
// its deadline.
type stuckWriter struct {
	http.ResponseWriter

	entered, hurried chan struct{}
}

func (w *stuckWriter) Write([]byte) (int, error) {
	close(w.entered)
	<-w.hurried
	return 0, os.ErrDeadlineExceeded
}

func (w *stuckWriter) SetWriteDeadline(time.Time) error {
	close(w.hurried)
	return nil
}

func (w *stuckWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestAWriteThatIsStuckEndsWithItsLease revokes the client while its handler writes.
func TestAWriteThatIsStuckEndsWithItsLease(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{})
	guard := newGuard(nil)
	guard.Revocations = list
	written := make(chan error, 1)
	guarded := httpauth.Protect(guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, "hello")
		written <- err
	}))
	entered := make(chan struct{})
	server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guarded.ServeHTTP(&stuckWriter{w, entered, make(chan struct{})}, r)
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+guardtest.GoodToken)
	go func() {
		if res, err := server.Client().Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-entered
	if err := list.Add(revocation.Revocation{Kind: revocation.TargetSubject, Issuer: "https://issuer.test", ID: "ada", Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if reason, ok := auth.ReasonOf(<-written); !ok || reason != auth.TokenRevoked {
		t.Errorf("reason %v, %t; want %v", reason, ok, auth.TokenRevoked)
	}
}

// TestAHandlersDeadlineCounts has a handler give up its response.
func TestAHandlersDeadlineCounts(t *testing.T) {
	t.Parallel()
	flushed := make(chan error, 1)
	server := newServer(t, httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		controller := http.NewResponseController(w)
		if err := controller.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "hello")
		flushed <- controller.Flush()
	})))
	if res, err := server.Client().Get(server.URL); err == nil {
		_ = res.Body.Close()
		t.Errorf("status %d; want no response", res.StatusCode)
	}
	if err := <-flushed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("flush: %v; want %v", err, os.ErrDeadlineExceeded)
	}
}

// A countingWriter counts what it copies from a source itself.
type countingWriter struct {
	http.ResponseWriter

	copies *atomic.Int32
}

func (w countingWriter) ReadFrom(src io.Reader) (int64, error) {
	w.copies.Add(1)
	return io.Copy(w.ResponseWriter, src)
}

// TestOnlyAFileIsCopiedByTheOriginal also copies from sources that may block.
func TestOnlyAFileIsCopiedByTheOriginal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source func(t *testing.T) io.Reader
		want   int32
	}{
		"a text": {func(*testing.T) io.Reader { return io.LimitReader(strings.NewReader("hello"), 5) }, 0},
		"a pipe": {func(t *testing.T) io.Reader {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			_, _ = w.WriteString("hello")
			_ = w.Close()
			return r
		}, 0},
		"a file": {func(t *testing.T) io.Reader {
			file, err := os.Open("stuck_test.go")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = file.Close() })
			return io.LimitReader(file, 5)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, copies := tt.source(t), new(atomic.Int32)
			guarded := httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if n, err := io.Copy(w, source); n != 5 || err != nil {
					t.Errorf("copied %d, %v; want 5", n, err)
				}
			}))
			server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				guarded.ServeHTTP(countingWriter{w, copies}, r)
			}))
			if got := do(t, server, http.MethodGet, "/", ""); len(got.body) != 5 || copies.Load() != tt.want {
				t.Errorf("body %q, copied by the original %d times; want %d", got.body, copies.Load(), tt.want)
			}
		})
	}
}
