package interceptors_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// An exchange is an ordinary request under a lease.
type exchange struct {
	name string
	// handle is the handler. It calls enter when it has reached its activity, and
	// returns the error that stopped it.
	handle func(t *testing.T, w http.ResponseWriter, r *http.Request, enter func()) error
	// upload is set where the client sends and does not end.
	upload bool
	// unread is set where the client does not read the response.
	unread bool
	// started is set where the response has begun, so that it can only be cut.
	started bool
	// reason is set where handle returns the refusal.
	reason bool
}

// exchanges are what a handler can be doing when its lease ends.
func exchanges() []exchange {
	return []exchange{
		{
			name: "a handler that waits for its context",
			handle: func(_ *testing.T, _ http.ResponseWriter, r *http.Request, enter func()) error {
				enter()
				<-r.Context().Done()
				return context.Cause(r.Context())
			},
			reason: true,
		},
		{
			name: "an event stream that waits for its context",
			handle: func(_ *testing.T, w http.ResponseWriter, r *http.Request, enter func()) error {
				_, _ = io.WriteString(w, "data: hello\n\n")
				w.(http.Flusher).Flush()
				enter()
				<-r.Context().Done()
				return context.Cause(r.Context())
			},
			started: true, reason: true,
		},
		{
			name: "an event stream that sends",
			handle: func(_ *testing.T, w http.ResponseWriter, _ *http.Request, enter func()) error {
				enter()
				return untilTheEnd(func() error {
					_, err := io.WriteString(w, "data: hello\n\n")
					return errors.Join(err, http.NewResponseController(w).Flush())
				})
			},
			started: true, reason: true,
		},
		{
			name: "a download that is not read",
			handle: func(_ *testing.T, w http.ResponseWriter, _ *http.Request, enter func()) error {
				_ = http.NewResponseController(w).Flush()
				enter()
				data := make([]byte, 1<<16)
				return untilTheEnd(func() error { _, err := w.Write(data); return err })
			},
			started: true, unread: true,
		},
		{
			name: "a file that is not read",
			handle: func(t *testing.T, w http.ResponseWriter, r *http.Request, enter func()) error {
				t.Helper()
				enter()
				http.ServeFile(w, r, hugeFile(t))
				<-r.Context().Done()
				return nil
			},
			started: true, unread: true,
		},
		{
			name: "an upload",
			handle: func(_ *testing.T, _ http.ResponseWriter, r *http.Request, enter func()) error {
				data := make([]byte, 1<<10)
				if _, err := r.Body.Read(data); err != nil {
					return err
				}
				enter()
				return untilTheEnd(func() error { _, err := r.Body.Read(data); return err })
			},
			upload: true,
		},
	}
}

// hugeFile returns the name of a file that takes no place.
func hugeFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "huge")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(1<<30), file.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestARequestEndsWithItsLease combines the activities of ordinary handlers, both
// versions of HTTP and each way to end.
func TestARequestEndsWithItsLease(t *testing.T) {
	t.Parallel()
	for _, x := range exchanges() {
		for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
			for _, event := range leaseEvents {
				t.Run(x.name+", "+version+", "+event.name, func(t *testing.T) {
					t.Parallel()
					h := newLeaseServer(t, "idle")
					returned := make(chan error, 1)
					url := serveHTTP(t, h.protect(func(w http.ResponseWriter, r *http.Request) {
						returned <- x.handle(t, w, r, func() { close(h.entered) })
					}))
					event.before(t, h)
					ended := make(chan error, 1)
					go func() { ended <- x.request(t.Context(), newHTTPClient(t, version), url) }()
					h.untilEntered(ended)
					event.during(t, h)

					err := <-ended
					switch refused, isRefusal := errors.AsType[*refusedError](err); {
					case err == nil:
						t.Error("the client took it for the whole response")
					case isRefusal && refused.got.reason == event.want: // a short token may expire before the response begins
					case isRefusal || !x.started:
						t.Errorf("the client's request ended with %v; want %v", err, event.want)
					}
					if err := h.guard.Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
					select {
					case err := <-returned:
						if x.reason && !errors.Is(err, &auth.Error{Reason: event.want}) {
							t.Errorf("the handler saw %v; want %v", err, event.want)
						}
					default: // the token had expired before the handler was called
					}
				})
			}
		}
	}
}

// protect guards a handler with the guard of the server.
func (h *leaseServer) protect(handler http.HandlerFunc) http.Handler {
	return httpauth.Protect(h.guard, procedure(leases, plain), handler)
}

// A refusedError is a response that is a refusal.
type refusedError struct{ got outcome }

func (e *refusedError) Error() string { return fmt.Sprintf("refused: %+v", e.got) }

// request makes the request, and returns how its response ended; nil where it was
// whole.
func (x exchange) request(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var body io.Reader
	if x.upload {
		reader, writer := io.Pipe()
		defer func() { _ = writer.Close() }()
		go func() { _, _ = io.WriteString(writer, "hello") }()
		body = reader
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return &refusedError{readRefusal(ctx, res, url)}
	}
	if x.unread {
		return errors.New("not read")
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// TestAnUnreadResponseIsCut has a client that stops reading a download: when it reads
// on, the response is incomplete.
func TestAnUnreadResponseIsCut(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h := newLeaseServer(t, "idle")
			name := hugeFile(t)
			url := serveHTTP(t, h.protect(func(w http.ResponseWriter, r *http.Request) {
				close(h.entered)
				http.ServeFile(w, r, name)
			}))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := newHTTPClient(t, version).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			<-h.entered
			h.revoke(t)
			if err := h.guard.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, res.Body); err == nil || n == res.ContentLength {
				t.Errorf("%d bytes of %d, %v; want an error", n, res.ContentLength, err)
			}
		})
	}
}

// TestTheClientIsAnsweredEvenIfTheHandlerIgnoresItsContext has handlers that return
// only after the client has the end, and then try to write.
func TestTheClientIsAnsweredEvenIfTheHandlerIgnoresItsContext(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		for _, started := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, started: %t", version, started), func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
				clientKnows := make(chan struct{})
				url := serveHTTP(t, h.protect(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Secret", "of the handler")
					_ = http.NewResponseController(w).EnableFullDuplex() // the client sends nothing
					if started {
						_, _ = io.WriteString(w, "hello")
						_ = http.NewResponseController(w).Flush()
					}
					close(h.entered)
					<-clientKnows
					w.Header().Set("Content-Type", "text/plain")
					w.WriteHeader(http.StatusTeapot)
					_, written := io.WriteString(w, "late")
					_, read := r.Body.Read(make([]byte, 1))
					_, _, hijacked := http.NewResponseController(w).Hijack()
					for name, err := range map[string]error{
						"write": written, "read": read, "flush": http.NewResponseController(w).Flush(), "hijack": hijacked,
					} {
						if name == "hijack" && errors.Is(err, http.ErrNotSupported) {
							continue // over HTTP/2
						}
						if reason, ok := auth.ReasonOf(err); !ok || reason != auth.TokenRevoked {
							t.Errorf("%s: %v; want %v", name, err, auth.TokenRevoked)
						}
					}
				}))
				body, never := io.Pipe()
				defer func() { _ = never.Close() }()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
				if err != nil {
					t.Fatal(err)
				}
				client := newHTTPClient(t, version)
				answers := make(chan *http.Response, 1)
				go func() {
					res, err := client.Do(req) //nolint:bodyclose // it is closed below
					if err != nil {
						t.Error(err)
					}
					answers <- res
				}()
				<-h.entered
				h.revoke(t)
				res := <-answers
				if res == nil {
					return
				}
				defer func() { _ = res.Body.Close() }()
				if started {
					if read, err := io.ReadAll(res.Body); err == nil || string(read) != "hello" {
						t.Errorf("%q, %v; want hello and an error", read, err)
					}
				} else {
					read := make([]byte, 10)
					if _, err := io.ReadFull(res.Body, read); err != nil {
						t.Error(err)
					}
					if res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("WWW-Authenticate"), auth.TokenRevoked.String()) || res.Header.Get("X-Secret") != "" {
						t.Errorf("status %d, header %v; want the refusal for %v", res.StatusCode, res.Header, auth.TokenRevoked)
					}
				}
				close(clientKnows)
				if err := h.guard.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestAHijackedConnectionEndsWithItsLease echoes lines over a connection that the
// handler took over, and that outlives the handler or not.
func TestAHijackedConnectionEndsWithItsLease(t *testing.T) {
	t.Parallel()
	for _, event := range leaseEvents {
		for _, outlives := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, outlives its handler: %t", event.name, outlives), func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
				done := make(chan struct{})
				url := serveHTTP(t, h.protect(func(w http.ResponseWriter, _ *http.Request) {
					conn, buffered, err := w.(http.Hijacker).Hijack()
					if err != nil {
						close(done) // the token had expired before
						return
					}
					echo := func() {
						defer close(done)
						_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
						_ = untilTheEnd(func() error {
							line, err := buffered.ReadString('\n')
							if err != nil {
								return err
							}
							_, err = io.WriteString(conn, line)
							return err
						})
					}
					if outlives {
						go echo()
						return
					}
					echo()
				}))
				event.before(t, h)
				conn, reader, status := upgrade(t, url)
				if event.want == auth.TokenExpired && !strings.Contains(status, " 101 ") {
					return // it had expired before
				}
				if line := sayOver(conn, reader, "hello\n"); line != "hello\n" && event.want != auth.TokenExpired {
					t.Errorf("echo %q", line)
				}
				event.during(t, h)
				if rest, err := io.ReadAll(reader); len(rest) > 0 {
					t.Errorf("%q came after the end", rest)
				} else if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection is still open")
				}
				<-done
				if err := h.guard.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// upgrade opens a connection and asks for it to be taken over.
func upgrade(t *testing.T, url string) (conn net.Conn, reader *bufio.Reader, status string) {
	t.Helper()
	var err error
	conn, err = new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader = bufio.NewReader(conn)
	for {
		line, err := reader.ReadString('\n')
		if err != nil || line == "\r\n" {
			return conn, reader, status
		}
		if status == "" {
			status = line
		}
	}
}

func sayOver(conn net.Conn, reader *bufio.Reader, text string) string {
	_, _ = io.WriteString(conn, text)
	line, _ := reader.ReadString('\n')
	return line
}

// TestAHijackedConnectionIsRenewed has the session renew the lease after the first
// token expired, with a call that is no request of HTTP.
func TestAHijackedConnectionIsRenewed(t *testing.T) {
	t.Parallel()
	h := newLeaseServer(t, "idle")
	url := serveHTTP(t, h.protect(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, renewed := auth.WatchIdentity(r.Context())
		h.present(time.Hour, "reader")
		h.call(t)
		<-renewed
		_, _ = buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "still here\n")
	}))
	h.present(time.Minute, "reader")
	conn, reader, _ := upgrade(t, url)
	if line := sayOver(conn, reader, "hello\n"); line != "still here\n" {
		t.Errorf("%q; want an answer", line)
	}
}
