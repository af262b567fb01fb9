//go:build linux

package processtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/internal/testprogram"
)

// soakTime is the variable that sets how long TestSoak keeps its load: a minute otherwise.
const soakTime = "OSTIARY_TEST_SOAK"

// TestSoak puts a server with everything on under a load of all kinds, and finds what grows.
// It reads goroutines, descriptors and heap twice, each time when nothing is open any more:
// after the load has begun everything once, and at the end.
func TestSoak(t *testing.T) {
	t.Parallel()
	lasts := time.Minute
	if set := os.Getenv(soakTime); set != "" {
		var err error
		if lasts, err = time.ParseDuration(set); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		soakServer(t, lasts, "sqlite:"+filepath.Join(t.TempDir(), "ostiary.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		if err := pgserver.Installed(); err != nil {
			testprogram.Missing(t, err.Error())
		}
		server, err := pgserver.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		url, err := server.NewDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		soakServer(t, lasts, url)
	})
}

// A reading is what a server has when nothing is open.
type reading struct {
	goroutines, descriptors int
	heap                    float64 // bytes in use after a garbage collection
	tokens, tokenBytes      float64 // verified tokens in memory, and what they take
	revocations             float64 // in memory
	series                  int     // of metrics
	residentKiB             int
}

const (
	// Idle connections to the database come and go, at most 4, and so do the timers of the
	// runtime. A thing that is left open each time is there hundreds of times.
	slack = 8
	// Reasons and methods that had not come up yet. A label of a caller brings thousands.
	seriesSlack = 150
	// What pools, and buffers that have grown once, differ by from one reading to the next.
	heapSlack = 1 << 20
	// What the server keeps besides a verified token: its session, and the events that it
	// has begun and ended; and of a revocation: itself, what followers get of it, who has
	// revoked, and the event. Each of these has a bound of its own.
	tokenSize, revocationSize = 2560, 2048
)

// kept is what the server means to keep, in bytes.
func (r reading) kept() float64 {
	return r.tokenBytes + tokenSize*r.tokens + revocationSize*r.revocations
}

func soakServer(t *testing.T, lasts time.Duration, database string) {
	s := startSoak(t, database)
	s.load(t, min(lasts/3, 20*time.Second))
	before := s.read(t)
	began := maps.Clone(s.outcomes)
	s.load(t, lasts)
	after := s.read(t)
	t.Logf("before: %+v", before)
	t.Logf("after:  %+v", after)
	for _, outcome := range slices.Sorted(maps.Keys(s.outcomes)) {
		t.Logf("%6d %s", s.outcomes[outcome]-began[outcome], outcome)
		for _, fault := range []string{"AUTH_FAILURE", "Internal", "Unknown", "DataLoss", "Unimplemented"} {
			if strings.HasSuffix(outcome, " "+fault) {
				t.Errorf("%d times %s", s.outcomes[outcome], outcome)
			}
		}
	}
	for _, want := range soakOutcomes() {
		if s.outcomes[want] == 0 {
			t.Errorf("never %s", want)
		}
	}

	if after.goroutines > before.goroutines+slack {
		t.Errorf("%d goroutines, and %d after the load\n%s", before.goroutines, after.goroutines, s.fetch(t, "/debug/pprof/goroutine?debug=1"))
	}
	if after.descriptors > before.descriptors+slack {
		t.Errorf("%d descriptors, and %d after the load: %v", before.descriptors, after.descriptors, s.descriptors(t))
	}
	if grown, kept := after.heap-before.heap, after.kept()-before.kept(); grown > kept+heapSlack {
		t.Errorf("the heap has grown by %.0f bytes, where tokens and revocations account for %.0f", grown, kept)
	}
	if after.series > before.series+seriesSlack {
		t.Errorf("%d series of metrics, and %d after the load", before.series, after.series)
	}
	s.stop(t)
}

// startSoak starts the server.
func startSoak(t *testing.T, database string) *soak {
	t.Helper()
	dir := t.TempDir()
	issuer := authtest.Start(t)
	first, next := authtest.NewKey("EdDSA"), authtest.NewKey("EdDSA") // quick to sign with
	issuer.Publish(first)
	issuer.Publish(next)
	writePair(t, dir, time.Now().Add(time.Hour))
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p := startPiped(t, serveAnywhere(issuer, "--algorithms", "EdDSA", "--skew", "1s", "--tls-cert", filepath.Join(dir, "tls.crt"), "--tls-key", filepath.Join(dir, "tls.key"),
		"--admin-addr", "127.0.0.1:0", "--profiling", "--database-url", database, "--database-max-connections", "4",
		"--decisions", filepath.Join(dir, "decisions.jsonl"), "--decisions-max-size", "1", "--decisions-max-files", "2",
		"--trusted-proxies", "127.0.0.1", "--max-streams-per-subject", "5", "--max-streams", "100", "--max-connections", "200",
		"--feed-secret-file", file("feed", feedSecret), "--clerk-webhook-secret-file", file("clerk", clerkSecret), "--keys-snapshot", filepath.Join(dir, "keys"),
		"--cors-allowed-origins", "https://app.example.com", "--resource-url", "https://api.example.com", "--console", "--publishable-key", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")...)
	s := &soak{piped: p, issuer: issuer, dir: dir, http: strings.TrimPrefix(p.url, "http://"), outcomes: make(map[string]int), pool: make(map[int]string), next: next}
	s.key.Store(first)
	s.admin = "http://" + p.await(t, adminLine)[1]
	if err := p.end.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go s.readLog()
	return s
}

// readLog reads the log as slowly as a terminal while there is load, and then what is left.
func (s *soak) readLog() {
	for {
		if _, err := s.log.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		if s.loaded.Load() {
			<-time.After(50 * time.Millisecond)
		}
	}
}

// read waits until nothing is open, and until goroutines and descriptors are few enough.
func (s *soak) read(t *testing.T) reading {
	t.Helper()
	for _, name := range []string{"ostiary_leases_open", "ostiary_connections_open", "ostiary_sessions_unsaved"} {
		eventually(t, name+" is 0", func() bool { return sum(t, s.fetch(t, "/metrics"), name) == 0 })
	}
	r := s.readOnce(t)
	if s.first == nil {
		s.first = &r
	}
	for deadline := time.Now().Add(serverTimeout); r.goroutines > s.first.goroutines+slack || r.descriptors > s.first.descriptors+slack; r = s.readOnce(t) {
		if time.Now().After(deadline) {
			break
		}
		<-time.After(time.Second)
	}
	for range 2 { // a pool is emptied by the second collection
		again := s.readOnce(t)
		r.heap = min(r.heap, again.heap)
	}
	return r
}

func (s *soak) readOnce(t *testing.T) reading {
	t.Helper()
	heap := s.fetch(t, "/debug/pprof/heap?gc=1&debug=1")
	metrics := s.fetch(t, "/metrics")
	return reading{
		goroutines: int(sum(t, metrics, "go_goroutines")), descriptors: len(s.descriptors(t)), heap: sum(t, strings.ReplaceAll(heap, "# HeapAlloc =", "HeapAlloc"), "HeapAlloc"),
		tokens: sum(t, metrics, "ostiary_token_cache_entries"), tokenBytes: sum(t, metrics, "ostiary_token_cache_size_bytes"),
		revocations: sum(t, metrics, "ostiary_revocations_entries"),
		series:      len(regexp.MustCompile(`(?m)^ostiary_|^rpc_|^grpc_`).FindAllString(metrics, -1)),
		residentKiB: s.residentKiB(t),
	}
}

// sum adds up the series of a metric.
func sum(t *testing.T, metrics, name string) (total float64) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(metrics, -1)
	if found == nil {
		t.Fatalf("there is no %s", name)
	}
	for _, series := range found {
		value, err := strconv.ParseFloat(series[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		total += value
	}
	return total
}

// fetch returns what the address for operators answers.
func (s *soak) fetch(t *testing.T, path string) string {
	t.Helper()
	client := &http.Client{Timeout: serverTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := io.Copy(&body, res.Body); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

func (s *soak) descriptors(t *testing.T) (open []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if target, err := os.Readlink(filepath.Join(dir, file.Name())); err == nil {
			open = append(open, target)
		}
	}
	return open
}
