package httpauth_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// TestAHandlerThatPanicsLeavesNoConnectionBehind takes the connection over first.
// The connection is kept, lest the garbage collector close it.
func TestAHandlerThatPanicsLeavesNoConnectionBehind(t *testing.T) {
	t.Parallel()
	taken := make(chan net.Conn, 1)
	server := newServer(t, httpauth.Protect(newStage(nil).guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		taken <- conn
		panic(http.ErrAbortHandler)
	})))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	kept := <-taken
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v; want the end of the connection", err)
	}
	if err := kept.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing the connection again: %v; want %v", err, net.ErrClosed)
	}
}

// TestAResponseThatCannotBeCutIsNotMistakenForACompleteOne gives the guard a writer
// that has only Header, Write and WriteHeader.
func TestAResponseThatCannotBeCutIsNotMistakenForACompleteOne(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2: %t", http2), func(t *testing.T) {
			t.Parallel()
			s := newStage(nil)
			guarded := httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "the first part")
				s.expire()
				if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
					t.Errorf("read: %v; want %v", err, auth.TokenExpired)
				}
				if _, err := io.WriteString(w, "secret"); !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
					t.Errorf("write: %v; want %v", err, auth.TokenExpired)
				}
			}))
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				guarded.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			res, err := server.Client().Post(server.URL, "text/plain", strings.NewReader("hello"))
			if err != nil {
				return // it was cut before the header
			}
			defer func() { _ = res.Body.Close() }()
			if read, err := io.ReadAll(res.Body); err == nil || strings.Contains(string(read), "secret") {
				t.Errorf("%q, %v; want an error", read, err)
			}
		})
	}
}

// TestARequestThatIsRevokedBeforeItsHandlerBeginsIsLeftAlone once it was answered: net/http panics
// when a connection is taken over afterwards.
func TestARequestThatIsRevokedBeforeItsHandlerBeginsIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session := &auth.Identity{Issuer: "https://issuer.test", Subject: "ada", SessionID: "sess_1", Kind: auth.KindSession, ExpiresAt: time.Now().Add(time.Hour)}
		guard := &auth.Guard{Authenticator: knows{session}, Policy: onlyExport{}, Revocations: &revokedSince{}}
		handler := httpauth.Protect(guard, procedure, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler runs")
		}))
		answer := &endedResponse{ResponseRecorder: httptest.NewRecorder(), t: t}
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
		answer.ended = true
		if answer.Code != http.StatusUnauthorized {
			t.Errorf("%d; want 401", answer.Code)
		}
		<-time.After(time.Minute) // of a clock that goes on as soon as everything waits
	})
}

// revokedSince has everybody revoked but at the first time.
type revokedSince struct{ asked atomic.Int32 }

func (r *revokedSince) Revoked(*auth.Identity) error {
	if r.asked.Add(1) == 1 {
		return nil
	}
	return auth.NewError(auth.TokenRevoked, nil)
}

func (*revokedSince) Watch(func()) (stop func()) { return func() {} }

// endedResponse fails the test if its connection is taken over after the response has ended.
type endedResponse struct {
	*httptest.ResponseRecorder

	t     *testing.T
	ended bool
}

func (r *endedResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if r.ended {
		r.t.Error("the connection is taken over after the answer")
	}
	return nil, nil, http.ErrNotSupported
}

// TestAHandlerThatWritesNothingIsCheckedToo leaves the response to net/http.
func TestAHandlerThatWritesNothingIsCheckedToo(t *testing.T) {
	t.Parallel()
	s := newStage(nil)
	server := newServer(t, httpauth.Protect(s.guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Secret", "of the handler")
		s.expire()
	})))
	got := do(t, server, http.MethodGet, "/", "")
	assertRefusal(t, got, auth.TokenExpired, auth.TokenExpired.Message())
	if secret := got.header.Get("X-Secret"); secret != "" {
		t.Errorf("X-Secret: %s", secret)
	}
}
