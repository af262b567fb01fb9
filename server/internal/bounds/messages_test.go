package bounds

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/time/rate"
)

func TestTooManyMessagesAreAskedToComeAgain(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		held <- struct{}{}
		<-release
	})
	log := new(bytes.Buffer)
	limit := NewMessages("clerk", slow, slog.New(slog.NewTextHandler(log, nil)))
	post := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		limit.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signals/clerk", nil))
		return w
	}
	want := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: %d, Retry-After %q; want 429", what, w.Code, w.Header().Get("Retry-After"))
		}
	}
	for range messagesAtOnce {
		go post()
		<-held
	}
	want("one more at once", post())
	want("and another", post())
	close(release)
	if got := log.String(); !strings.Contains(got, "source=clerk") || strings.Count(got, "\n") != 1 {
		t.Errorf("the log says %q; want one line", got)
	}
}

// A stranger can send as much as it likes: what is refused takes nothing from the issuer.
func TestRefusedMessagesDoNotUseUpTheRateOfASource(t *testing.T) {
	t.Parallel()
	limit := NewMessages("clerk", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Svix-Signature") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}), slog.New(slog.DiscardHandler))
	limit.rate = rate.NewLimiter(0, 1)
	post := func(signature string) int {
		t.Helper()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signals/clerk", nil)
		r.Header.Set("Svix-Signature", signature)
		limit.ServeHTTP(w, r)
		return w.Code
	}
	for range 1000 {
		if got := post(""); got != http.StatusUnauthorized {
			t.Fatalf("what is not signed: %d; want 401", got)
		}
	}
	if got := post("v1,abc"); got != http.StatusOK {
		t.Errorf("what is signed: %d; want 200", got)
	}
	if got := post("v1,abc"); got != http.StatusTooManyRequests {
		t.Errorf("more of it than the rate allows: %d; want 429", got)
	}
}

// Strangers who send slowly make room for the issuer.
func TestSlowMessagesDoNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	limit := NewMessages("clerk", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "the message" {
			http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		}
	}), slog.New(slog.DiscardHandler))
	served := httptest.NewServer(limit)
	t.Cleanup(served.Close)
	arriving := func() int {
		limit.mu.Lock()
		defer limit.mu.Unlock()
		return len(limit.arriving)
	}
	slow := make([]net.Conn, messagesAtOnce)
	for i := range slow {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", served.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprint(conn, "POST /signals/clerk HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nthe"); err != nil {
			t.Fatal(err)
		}
		slow[i] = conn
		if i < 2 || i == len(slow)-1 { // so that the first two are the oldest
			for arriving() != i+1 {
				runtime.Gosched()
			}
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, served.URL+"/signals/clerk", strings.NewReader("the message"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := served.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("a message beside slow ones: %s; want 200", answer.Status)
	}
	status := make([]byte, len("HTTP/1.1 429"))
	if _, err := io.ReadFull(slow[0], status); err != nil || !bytes.HasSuffix(status, []byte("429")) {
		t.Errorf("the slowest is answered %q, error %v; want 429", status, err)
	}
	if _, err := fmt.Fprint(slow[1], " message"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(slow[1], status); err != nil || !bytes.HasSuffix(status, []byte("200")) {
		t.Errorf("one that makes haste is answered %q, error %v; want 200", status, err)
	}
}
