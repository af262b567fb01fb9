package transmitter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

const (
	someIssuer = "https://ostiary.example.com" // of events
	someUsers  = "https://clerk.example.com"   // of tokens
	// someHeader must be in no answer, no log and no error.
	someHeader = "Bearer never-to-be-seen"
)

// TestMain also is the process that TestNothingIsMissed… kills.
func TestMain(m *testing.M) {
	if path := os.Getenv(killedIn); path != "" {
		sendUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)

// A bench is a database, and the transmitters of servers that share it.
type bench struct {
	t   *testing.T
	db  store.Store
	log logBuffer

	mu      sync.Mutex
	time    time.Time
	latest  store.Revocation
	changed chan struct{}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return benchOf(t, filepath.Join(t.TempDir(), "ostiary.db"))
}

func benchOf(t *testing.T, path string) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &bench{t: t, db: db, time: start, changed: make(chan struct{})}
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

func (b *bench) config() Config {
	return Config{
		Issuer: someIssuer, AllowPrivate: true, Store: b.db, Now: b.now,
		Log:      slog.New(slog.NewTextHandler(&b.log, nil)),
		Stopping: make(chan struct{}),
		Latest: func() store.Revocation {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.latest
		},
		Changed: func() <-chan struct{} {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.changed
		},
	}
}

// start starts the transmitter of one server.
func (b *bench) start(edits ...func(*Config)) *Transmitter {
	b.t.Helper()
	config := b.config()
	for _, edit := range edits {
		edit(&config)
	}
	t := Start(b.t.Context(), config)
	b.t.Cleanup(t.Close)
	return t
}

// revoke revokes sessions by their names.
func (b *bench) revoke(sessions ...string) []store.Revocation {
	b.t.Helper()
	rows := make([]store.Revocation, len(sessions))
	for i, id := range sessions {
		rows[i] = store.Revocation{Target: store.Target{Kind: "session", Issuer: someUsers, Value: id, Subject: "user_ada"}, CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Hour)}
	}
	return b.save(rows...)
}

func (b *bench) save(rows ...store.Revocation) []store.Revocation {
	b.t.Helper()
	saved, err := b.db.SaveRevocations(b.t.Context(), rows, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = saved[len(saved)-1]
	close(b.changed)
	b.changed = make(chan struct{})
	return saved
}

func (b *bench) streams() []store.Stream {
	b.t.Helper()
	all, err := b.db.Streams(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// A receiver takes what is pushed to it, and remembers it.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	events []received
	before func(w http.ResponseWriter, r *http.Request, event received) bool // may answer instead
}

// received is an event without its signature.
type received struct {
	header http.Header
	claims map[string]any
}

// about returns what the event is about: the session, or the type of the event.
func (r received) about() string {
	subject, _ := r.claims["sub_id"].(map[string]any)
	if session, ok := subject["session"].(map[string]any); ok {
		return fmt.Sprint(session["id"])
	}
	events, _ := r.claims["events"].(map[string]any)
	for name := range events {
		return name[strings.LastIndex(name, "/")+1:]
	}
	return ""
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it was cut off
	}
	message, err := jws.Parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	event := received{header: req.Header.Clone()}
	_ = json.Unmarshal(message.Payload(), &event.claims)
	r.mu.Lock()
	before := r.before
	r.mu.Unlock()
	if before != nil && before(w, req, event) {
		return
	}
	r.mu.Lock()
	r.events = append(r.events, event)
	r.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// set changes how it answers; nil takes everything.
func (r *receiver) set(before func(w http.ResponseWriter, r *http.Request, event received) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

// got returns what the events are about, each once, in no order of their own.
func (r *receiver) got() (about []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, event := range r.events {
		about = append(about, event.about())
	}
	slices.Sort(about)
	return slices.Compact(about)
}

func (r *receiver) first() received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[0]
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// An owner calls the endpoints.
type owner struct {
	t     *testing.T
	mux   *http.ServeMux
	owner store.StreamOwner
}

type ownerKey struct{}

func (b *bench) owner(t *Transmitter, subject string) owner {
	mux := http.NewServeMux()
	for pattern, h := range t.Routes(func(_ string, h http.Handler) http.Handler { return h }, func(ctx context.Context) store.StreamOwner {
		return ctx.Value(ownerKey{}).(store.StreamOwner)
	}) {
		mux.Handle(pattern, h)
	}
	return owner{b.t, mux, store.StreamOwner{Issuer: someUsers, Subject: subject}}
}

func (o owner) record(method, path, body string) *httptest.ResponseRecorder {
	o.t.Helper()
	r := httptest.NewRequestWithContext(context.WithValue(o.t.Context(), ownerKey{}, o.owner), method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r)
	return w
}

// call returns the status and the JSON of an answer.
func (o owner) call(method, path, body string) (status int, answered map[string]any) {
	o.t.Helper()
	w := o.record(method, path, body)
	if strings.Contains(w.Body.String(), "never-to-be-seen") {
		o.t.Errorf("%s %s answers with a secret: %s", method, path, w.Body)
	}
	_ = json.Unmarshal(w.Body.Bytes(), &answered)
	return w.Code, answered
}

// create creates a stream and returns its ID. Without a receiver it is polled.
func (o owner) create(r *receiver) string {
	o.t.Helper()
	body := `{}`
	if r != nil {
		body = fmt.Sprintf(`{"delivery": {"method": %q, "endpoint_url": %q, "authorization_header": %q}}`, methodPush, r.URL, someHeader)
	}
	status, answered := o.call(http.MethodPost, streamPath, body)
	if status != http.StatusCreated {
		o.t.Fatalf("create: %d, %v", status, answered)
	}
	return answered["stream_id"].(string)
}

// poll returns the events that are waiting, by jti.
func (o owner) poll(stream, body string) (map[string]received, bool) {
	o.t.Helper()
	status, answered := o.call(http.MethodPost, pollPath+stream, body)
	if status != http.StatusOK {
		o.t.Fatalf("poll: %d, %v", status, answered)
	}
	found := make(map[string]received)
	for id, signed := range answered["sets"].(map[string]any) {
		message, err := jws.Parse([]byte(signed.(string)))
		if err != nil {
			o.t.Fatal(err)
		}
		var event received
		_ = json.Unmarshal(message.Payload(), &event.claims)
		found[id] = event
	}
	more, _ := answered["moreAvailable"].(bool)
	return found, more
}

// about returns what polled events are about.
func about(events map[string]received) (all []string) {
	for _, event := range events {
		all = append(all, event.about())
	}
	slices.Sort(all)
	return all
}

// keys returns the published keys.
func (o owner) keys() jwk.Set {
	o.t.Helper()
	set, err := jwk.Parse(o.record(http.MethodGet, keysPath, "").Body.Bytes())
	if err != nil {
		o.t.Fatal(err)
	}
	return set
}
