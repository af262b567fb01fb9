package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// TestMain is also the main function of a server: see startServer.
func TestMain(m *testing.M) {
	// The heap is as large as that of a server that does something. Next to an empty
	// heap the collector would run all the time, and code that allocates a little would
	// seem to cost a lot.
	defer runtime.KeepAlive(make([]byte, 64<<20))
	if os.Getenv(serverEnv) != "" {
		serveParent()
	} else {
		m.Run()
	}
}

// Usage is what a process has used so far and what it holds, by unit.
type Usage map[string]float64

// usage returns that of this process, with all garbage collected if collect is set.
func usage(collect bool) Usage {
	if collect {
		runtime.GC()
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return Usage{
		"cpu-ns": float64(used.Utime.Nano() + used.Stime.Nano()), "mallocs": float64(stats.Mallocs),
		"heap-bytes": float64(stats.HeapAlloc), "stack-bytes": float64(stats.StackInuse), "goroutines": float64(runtime.NumGoroutine()),
	}
}

// since returns how much more there is than before, for each of n things.
func (u Usage) since(before Usage, n int) Usage {
	each := make(Usage)
	for unit := range u {
		each[unit] = (u[unit] - before[unit]) / float64(n)
	}
	return each
}

// measure reports what each of n operations, which do makes a process do, costs that
// process. The usage is the process's, and do is given the number of its call.
func measure(b *testing.B, usage func(collect bool) Usage, n int, do func(i int) error) {
	b.Helper()
	check(do(0)) // which may have more to do than the others
	before, i := usage(true), 0
	for b.Loop() {
		if err := do(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
	each := usage(false).since(before, b.N*n)
	b.ReportMetric(0, "ns/op") // leaves it out
	b.ReportMetric(each["cpu-ns"], "cpu-ns/op")
	b.ReportMetric(each["mallocs"], "mallocs/op")
}

// concurrently calls the function n times, in so many goroutines at once.
func concurrently(goroutines, n int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(goroutines)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

// size is smaller in a quick run.
func size(full, quick int) int {
	if testing.Short() {
		return quick
	}
	return full
}

// check and must are for what a benchmark prepares.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

// What every verifier insists on. Clerk's SDK knows an issuer by how its URL begins.
const (
	issuerURL = "https://clerk.example.com"
	audience  = "acme"
	party     = "https://example.com"
)

// An issuer signs session tokens of Clerk's version 2 with one key.
type issuer struct {
	*authtest.Issuer
	born  time.Time
	trust Trust
}

// Trust is all that a verifier is given of an issuer.
type Trust struct {
	Algorithm string
	JWKS      []byte // the key set (RFC 7517)
	JWKSURL   string // where it is served, on this machine
	PEM       []byte // the public key
}

// newIssuer returns an issuer with a fresh key for RS256, ES256 or EdDSA.
func newIssuer(tb testing.TB, algorithm string) issuer {
	tb.Helper()
	iss := issuer{Issuer: authtest.New(issuerURL), born: time.Now()}
	iss.Publish(authtest.NewKey(algorithm))
	server, published := httptest.NewServer(iss), httptest.NewRecorder()
	tb.Cleanup(server.Close)
	iss.ServeHTTP(published, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, authtest.JWKSPath, http.NoBody))
	iss.trust = Trust{algorithm, published.Body.Bytes(), server.URL + authtest.JWKSPath, iss.Keys()[0].PublicPEM()}
	return iss
}

// token returns the n-th token, of a user and a session of its own. It is valid for
// longer than any run.
func (iss issuer) token(n int) string {
	return iss.Session(id("user", n), authtest.Algorithm(iss.trust.Algorithm), authtest.IssuedAt(iss.born), authtest.ExpiresIn(12*time.Hour),
		authtest.With("sid", id("sess", n)), authtest.With("jti", fmt.Sprintf("%020x", n)), authtest.With("azp", party), authtest.With("aud", audience),
		authtest.InOrganization("org_2aBcDeFgHiJkLmNoPqRsTuVwXyZ", "acme", "admin", "invoices:read"))
}

// tokens returns the first n.
func (iss issuer) tokens(n int) []string {
	tokens := make([]string, n)
	check(concurrently(runtime.GOMAXPROCS(0), n, func(i int) error { tokens[i] = iss.token(i); return nil }))
	return tokens
}

// id returns one that is as long as Clerk's, which begin with the kind of thing.
func id(kind string, n int) string { return fmt.Sprintf("%s_2%026d", kind, n) }
