package httpauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// A stage is a guard whose clock the test sets, and whose caller's token lasts for
// a minute. The timer of the leases does not see that the clock was set.
type stage struct {
	guard *auth.Guard
	now   atomic.Int64 // seconds
}

func newStage(observe auth.ObserverFunc) *stage {
	s := new(stage)
	s.guard = &auth.Guard{
		Authenticator: knows{&auth.Identity{
			Issuer: "https://issuer.test", Subject: "ada", SessionID: "sess_1", Kind: auth.KindSession,
			ExpiresAt: time.Unix(60, 0),
		}},
		Policy:   onlyExport{},
		Observer: observe,
		Now:      func() time.Time { return time.Unix(s.now.Load(), 0) },
	}
	return s
}

func (s *stage) expire() { s.now.Store(60) }

// TestAHeldRequestIsRefused has the token expire while the client keeps the body
// back, or the handler its answer.
func TestAHeldRequestIsRefused(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(s *stage, w http.ResponseWriter, r *http.Request) error{
		"when the body is there": func(s *stage, _ http.ResponseWriter, r *http.Request) error {
			s.expire()
			n, err := r.Body.Read(make([]byte, 5))
			if n != 0 {
				return fmt.Errorf("it has read %d bytes that must not be read, and then %v", n, err) //nolint:errorlint // not the refusal that is wanted
			}
			return err
		},
		"when the body was refused before": func(s *stage, _ http.ResponseWriter, r *http.Request) error {
			s.expire()
			_, _ = r.Body.Read(make([]byte, 5))
			n, err := r.Body.Read(make([]byte, 5))
			if n != 0 {
				return fmt.Errorf("it has read %d bytes that must not be read, and then %v", n, err) //nolint:errorlint // not the refusal that is wanted
			}
			return err
		},
		"at the end of the body": func(s *stage, _ http.ResponseWriter, r *http.Request) error {
			_, _ = io.ReadFull(r.Body, make([]byte, 5))
			s.expire()
			_, err := r.Body.Read(make([]byte, 5))
			return err
		},
		"when the body is closed, which frees it": func(s *stage, _ http.ResponseWriter, r *http.Request) error {
			if err := r.Body.Close(); err != nil {
				return err
			}
			if _, err := r.Body.Read(make([]byte, 5)); !errors.Is(err, http.ErrBodyReadAfterClose) {
				return fmt.Errorf("read of a closed body: %v", err) //nolint:errorlint // not the refusal that is wanted
			}
			s.expire()
			_, _ = r.Body.Read(make([]byte, 5))
			return r.Body.Close()
		},
		"at the first write": func(s *stage, w http.ResponseWriter, _ *http.Request) error {
			s.expire()
			_, err := w.Write([]byte("secret"))
			return err
		},
		"at the first string": func(s *stage, w http.ResponseWriter, _ *http.Request) error {
			s.expire()
			_, err := io.WriteString(w, "secret")
			return err
		},
		"at a status without a body": func(s *stage, w http.ResponseWriter, r *http.Request) error {
			s.expire()
			w.WriteHeader(http.StatusNoContent)
			return context.Cause(r.Context())
		},
		"at a flush": func(s *stage, w http.ResponseWriter, _ *http.Request) error {
			s.expire()
			return http.NewResponseController(w).Flush()
		},
		"when a source is copied": func(s *stage, w http.ResponseWriter, _ *http.Request) error {
			s.expire()
			_, err := io.Copy(w, io.LimitReader(strings.NewReader("secret"), 6))
			return err
		},
		"when the connection is taken over": func(s *stage, w http.ResponseWriter, _ *http.Request) error {
			s.expire()
			_, _, err := w.(http.Hijacker).Hijack()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused []*auth.Error
			s := newStage(func(_ context.Context, d auth.Decision) { refused = append(refused, d.Refusal) })
			saw := make(chan error, 1)
			server := newServer(t, httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				saw <- handle(s, w, r)
			})))
			res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			read, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			assertRefusal(t, answer{status: res.StatusCode, header: res.Header, body: string(read)}, auth.TokenExpired, auth.TokenExpired.Message())
			if err := <-saw; !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
				t.Errorf("the handler saw %v; want %v", err, auth.TokenExpired)
			}
			if len(refused) != 2 || refused[0] != nil || refused[1] == nil || refused[1].Reason != auth.TokenExpired {
				t.Errorf("the observer saw %v; want the pass and then the refusal", refused)
			}
		})
	}
}

// TestARequestGoesOnWhenItsSessionRenews has a newer token come with a call on
// another transport before the first one expires.
func TestARequestGoesOnWhenItsSessionRenews(t *testing.T) {
	t.Parallel()
	s := newStage(nil)
	first := s.guard.Authenticator.(knows).identity
	server := newServer(t, httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 2)
		_, _ = io.ReadFull(r.Body, body)
		newer := *first
		newer.IssuedAt, newer.ExpiresAt = time.Unix(30, 0), time.Unix(120, 0)
		s.guard.Authenticator = knows{&newer}
		if _, err := s.guard.Admit(t.Context(), auth.Call{Procedure: procedure, Protocol: "grpc"}); err != nil {
			t.Error(err)
		}
		s.expire()
		rest, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		id, _ := auth.CurrentIdentity(r.Context())
		_, _ = fmt.Fprintf(w, "%s%s until %d", body, rest, id.ExpiresAt.Unix())
	})))
	res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if read, err := io.ReadAll(res.Body); err != nil || string(read) != "hello until 120" {
		t.Errorf("%q, %v; want the answer of a request that goes on", read, err)
	}
}

// TestAResponseIsNotChanged compares what a client gets with and without a
// guard in between.
func TestAResponseIsNotChanged(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]http.HandlerFunc{
		"nothing":        func(http.ResponseWriter, *http.Request) {},
		"a header alone": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Own", "1") },
		"a status":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a short text":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"a header too late": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Late", "1")
		},
		"changes to what is outside": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Outside")
			w.Header().Add("Vary", "Accept")
			_, _ = io.WriteString(w, "hello")
		},
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Declared, X-Unset")
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Declared", "1")
			w.Header().Set(http.TrailerPrefix+"X-Other", "2")
		},
		"a hint first": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		},
		"the last of the hints first": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(199)
			w.Header().Set("X-Own", "1")
			w.WriteHeader(http.StatusAccepted)
		},
		"a file": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "lease_test.go") },
		"a range of a file": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=100-5000")
			http.ServeFile(w, r, "lease_test.go")
		},
		"a copy": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader(strings.Repeat("hello", 9999)), 12345))
		},
		"the body": func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
		"what it can do": func(w http.ResponseWriter, r *http.Request) {
			_, flushes := w.(http.Flusher)
			_, hijacks := w.(http.Hijacker)
			_, reads := w.(io.ReaderFrom)
			controller := http.NewResponseController(w)
			_, _ = fmt.Fprint(w, flushes, hijacks, reads || r.ProtoMajor == 2, controller.SetReadDeadline(time.Time{}),
				controller.SetWriteDeadline(time.Time{}), controller.EnableFullDuplex())
		},
		"a recorder": func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			recorder.Body.WriteString("hello")
			_, _ = io.Copy(w, recorder.Body)
			_ = r.Body.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range []int{1, 2} {
				plain, guarded := describe(t, version, handle), describe(t, version, httpauth.Protect(newStage(nil).guard, procedure, handle))
				if plain != guarded {
					t.Errorf("HTTP/%d: without a guard\n%s\nand with one\n%s", version, plain, guarded)
				}
			}
		})
	}
}

// TestAStatusBeginsTheResponse has the lease end when the handler has written no
// more than a status. Nothing may be added to that response.
func TestAStatusBeginsTheResponse(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusSwitchingProtocols, http.StatusOK, http.StatusCreated, http.StatusNotFound} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			s := newStage(nil)
			server := newServer(t, httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				s.expire()
				if _, err := r.Body.Read(make([]byte, 5)); !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
					t.Errorf("read: %v; want %v", err, auth.TokenExpired)
				}
			})))
			res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("hello"))
			if err != nil {
				return // it was cut before the header
			}
			defer func() { _ = res.Body.Close() }()
			read, err := io.ReadAll(res.Body)
			if cut := err != nil || status == http.StatusSwitchingProtocols; !cut || len(read) != 0 {
				t.Errorf("status %d, body %q, %v; want a response that was cut", res.StatusCode, read, err)
			}
		})
	}
}

// describe returns everything that a client sees of a handler.
func describe(t *testing.T, version int, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outside", "1")
		w.Header().Set("Vary", "Origin")
		w.Header().Set("Date", "today")
		handler.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = version == 2
	server.StartTLS()
	defer server.Close()
	res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintln(res.Proto, res.Status, res.ContentLength, res.TransferEncoding, res.Header, res.Trailer, string(body), err)
}

// TestAWriterImplementsWhatTheOriginalDoes wraps writers that implement less than
// that of a server.
func TestAWriterImplementsWhatTheOriginalDoes(t *testing.T) {
	t.Parallel()
	type (
		plain   struct{ http.ResponseWriter }
		flushes struct {
			http.ResponseWriter
			http.Flusher
		}
		hijacks struct {
			http.ResponseWriter
			http.Hijacker
		}
	)
	for name, test := range map[string]struct {
		wrap          func(http.ResponseWriter) http.ResponseWriter
		flush, hijack bool
	}{
		"neither":  {wrap: func(w http.ResponseWriter) http.ResponseWriter { return plain{w} }},
		"flushes":  {wrap: func(w http.ResponseWriter) http.ResponseWriter { return flushes{w, w.(http.Flusher)} }, flush: true},
		"hijacks":  {wrap: func(w http.ResponseWriter) http.ResponseWriter { return hijacks{w, w.(http.Hijacker)} }, hijack: true},
		"does all": {wrap: func(w http.ResponseWriter) http.ResponseWriter { return w }, flush: true, hijack: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guarded := httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, flushes := w.(http.Flusher)
				_, hijacks := w.(http.Hijacker)
				_, unwraps := w.(interface{ Unwrap() http.ResponseWriter })
				if flushes != test.flush || hijacks != test.hijack || unwraps {
					t.Errorf("flushes %t, hijacks %t, unwraps %t", flushes, hijacks, unwraps)
				}
				if err := http.NewResponseController(w).Flush(); errors.Is(err, http.ErrNotSupported) == test.flush {
					t.Errorf("flush: %v", err)
				}
				if !hijacks || flushes {
					return // what is flushed has begun
				}
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Errorf("hijack: %v", err)
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_ = conn.Close()
			}))
			server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { guarded.ServeHTTP(test.wrap(w), r) }))
			if got := do(t, server, http.MethodGet, "/", ""); got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
		})
	}
}

// TestAPanicIsPassedOnUnchanged has a handler panic while its lease lasts, and after
// it has ended.
func TestAPanicIsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	mine := errors.New("a value of the handler's")
	for name, value := range map[string]any{"a value": mine, "an abort": http.ErrAbortHandler} {
		for _, ended := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ended: %t", name, ended), func(t *testing.T) {
				t.Parallel()
				s := newStage(nil)
				got := make(chan any, 1)
				guarded := httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if ended {
						s.expire()
						_, _ = io.WriteString(w, "refused")
					}
					panic(value)
				}))
				server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() {
						got <- recover()
						panic(http.ErrAbortHandler)
					}()
					guarded.ServeHTTP(w, r)
				}))
				res, err := server.Client().Get(server.URL)
				if err == nil {
					_ = res.Body.Close()
				}
				if saw := <-got; saw != value {
					t.Errorf("panic %v; want %v", saw, value)
				}
				if err := s.guard.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestAPanicIsLoggedWithItsStack leaves it to net/http.
func TestAPanicIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	var logged guardtest.Log
	server := httptest.NewUnstartedServer(httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(panics)))
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	if res, err := server.Client().Get(server.URL); err == nil {
		_ = res.Body.Close()
		t.Error("the client has got an answer")
	}
	server.Close()
	if text := logged.String(); !strings.Contains(text, "a fault") || !strings.Contains(text, "httpauth_test.panics") {
		t.Errorf("logged: %s", text)
	}
}

func panics(http.ResponseWriter, *http.Request) { panic("a fault") }

// TestATakenOverConnectionKeepsItsMethods over TCP and over TLS.
func TestATakenOverConnectionKeepsItsMethods(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS: %t", encrypted), func(t *testing.T) {
			t.Parallel()
			handler := httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				if _, halves := conn.(interface{ CloseWrite() error }); !halves {
					t.Errorf("%T has no CloseWrite", conn)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			}))
			server := httptest.NewUnstartedServer(handler)
			if encrypted {
				server.StartTLS()
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			if got := do(t, server, http.MethodGet, "/", ""); got.status != http.StatusNoContent {
				t.Errorf("status %d", got.status)
			}
		})
	}
}

// TestTwoGuardsOfOneHandlerBothHold has the token expire for one of them.
func TestTwoGuardsOfOneHandlerBothHold(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"outer", "inner"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			outer, inner := newStage(nil), newStage(nil)
			saw := make(chan error, 1)
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				map[string]*stage{"outer": outer, "inner": inner}[which].expire()
				_, err := io.WriteString(w, "secret")
				saw <- err
			})
			server := newServer(t, httpauth.Protect(outer.guard, procedure, httpauth.Protect(inner.guard, procedure, handler)))
			got := do(t, server, http.MethodGet, "/", "")
			assertRefusal(t, got, auth.TokenExpired, auth.TokenExpired.Message())
			if err := <-saw; !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
				t.Errorf("the handler saw %v; want %v", err, auth.TokenExpired)
			}
		})
	}
}
