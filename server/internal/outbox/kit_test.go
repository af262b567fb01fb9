package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

const (
	// someSubject is the user of all sessions.
	someSubject = "user_ada"
	someIssuer  = "https://clerk.example.com"
	// secretKey must be in no log and no error.
	secretKey = "sk_test_never_to_be_seen"
)

// TestMain also is the process that TestASessionIsEnded… kills.
func TestMain(m *testing.M) {
	if path := os.Getenv(killedIn); path != "" {
		workUntilKilled(path, os.Getenv(killedAt))
	}
	goleak.VerifyTestMain(m)
}

// A fakeClerk is Clerk's Backend API, as far as it is documented.
type fakeClerk struct {
	*httptest.Server

	mu       sync.Mutex
	sessions map[string]string // the status of each
	revoked  map[string]int    // how often each was asked for
	requests int
	// before, if it is not nil, may answer instead. It returns whether it has.
	before func(w http.ResponseWriter, r *http.Request) bool
	// after, if it is not nil, may keep the answer back.
	after func()
}

func newFakeClerk(t *testing.T, sessions ...string) *fakeClerk {
	t.Helper()
	f := &fakeClerk{sessions: make(map[string]string), revoked: make(map[string]int)}
	for _, id := range sessions {
		f.sessions[id] = "active"
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeClerk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if f.before != nil && f.before(w, r) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+secretKey || r.Header.Get("Clerk-API-Version") != "2026-05-12" {
		answerError(w, http.StatusUnauthorized, "authentication_invalid")
		return
	}
	path, isRevoke := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/sessions/"), "/revoke")
	status, known := f.sessions[path]
	switch {
	case !known:
		answerError(w, http.StatusNotFound, "resource_not_found")
		return
	case isRevoke != (r.Method == http.MethodPost):
		answerError(w, http.StatusMethodNotAllowed, "method_not_allowed")
		return
	case isRevoke && (status != "active" && status != "revoked" || path == "sess_stubborn"):
		answerError(w, http.StatusBadRequest, "session_not_active")
		return
	case isRevoke:
		f.revoked[path]++
		status = "revoked"
		f.sessions[path] = status
	}
	if f.after != nil && isRevoke {
		f.after()
	}
	answer(w, http.StatusOK, map[string]any{"object": "session", "id": path, "user_id": someSubject, "status": status})
}

func answerError(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]any{"errors": []any{map[string]any{"message": "no", "code": code}}, "clerk_trace_id": "trace1"})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// set changes how it answers.
func (f *fakeClerk) set(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// setAfter changes what it does once it has ended a session.
func (f *fakeClerk) setAfter(after func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// status returns the status of a session, and how often its end was asked for.
func (f *fakeClerk) status(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%s, asked %d times", f.sessions[id], f.revoked[id])
}

func (f *fakeClerk) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// clerk returns an Ender for it.
func (f *fakeClerk) clerk(t *testing.T) *Clerk {
	t.Helper()
	c := NewClerk(ClerkConfig{SecretKey: secretKey, URL: f.URL + "/"})
	t.Cleanup(c.Close)
	return c
}

// always answers an error.
func always(status int, header ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		answerError(w, status, "some_code")
		return true
	}
}

// A bench is a worker with a clock that stands still, and what it works with.
type bench struct {
	*worker

	clerk *fakeClerk
	db    store.Store
	time  time.Time
	logs  *bytes.Buffer
}

func newBench(t *testing.T, sessions ...string) *bench {
	t.Helper()
	b := &bench{clerk: newFakeClerk(t, sessions...), db: openDB(t, t.TempDir()+"/ostiary.db"), time: time.Now().UTC().Truncate(time.Microsecond), logs: new(bytes.Buffer)}
	b.worker = b.another(t)
	return b
}

// another is a worker on the same database.
func (b *bench) another(t *testing.T) *worker {
	t.Helper()
	return newWorker(Config{
		Store: b.db, Now: func() time.Time { return b.time },
		Log: slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, someIssuer, b.clerk.clerk(t))
}

func openDB(t *testing.T, path string) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// request has sessions of Ada ended.
func (b *bench) request(t *testing.T, ids ...string) {
	t.Helper()
	request(t, b.db, b.time, ids...)
}

func request(t *testing.T, db store.Store, now time.Time, ids ...string) {
	t.Helper()
	var signOuts []store.SignOut
	for _, id := range ids {
		signOuts = append(signOuts, store.SignOut{Issuer: someIssuer, SessionID: id, Subject: someSubject, CreatedAt: now, DueAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour)})
	}
	if _, err := db.SaveRevocations(t.Context(), nil, nil, signOuts...); err != nil {
		t.Fatal(err)
	}
}

// work runs a round, and returns the delay after it.
func (b *bench) work(t *testing.T) time.Duration {
	t.Helper()
	delay := b.round(t.Context())
	if strings.Contains(b.logs.String(), secretKey) {
		t.Fatalf("the secret key is in the log:\n%s", b.logs)
	}
	return delay
}

// kept returns what the store has of a session.
func (b *bench) kept(t *testing.T, id string) store.SignOut {
	t.Helper()
	found, err := b.db.SignOuts(t.Context(), []store.SignOut{{Issuer: someIssuer, SessionID: id, Subject: someSubject}})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v; want one", found, err)
	}
	return found[0]
}

// logged checks the level, and the text, of the last line of the log.
func (b *bench) logged(t *testing.T, level, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(b.logs.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "level="+level+" ") || !strings.Contains(last, text) {
		t.Errorf("the log ends with\n%s\nwant level %s and %q", last, level, text)
	}
}
