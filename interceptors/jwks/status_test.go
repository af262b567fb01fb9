package jwks

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(hang)
		keys := issuer.remote(t)
		synctest.Wait()
		start := time.Now()
		want := Status{Source: issuer.url, Fetches: 1, LastAttempt: start, NextFetch: start.Add(slowAtStart)}
		if s := keys.Status(); !reflect.DeepEqual(s, want) {
			t.Errorf("during the first fetch:\n got %+v\nwant %+v", s, want)
		}

		issuer.publish(t, "first")
		pass(slowAtStart)
		fetched := start.Add(slowAtStart)
		pass(10 * time.Second)
		s := keys.Status()
		want = Status{
			Source: issuer.url, Ready: true,
			Keys:      []KeyStatus{{ID: "first", Algorithms: []string{"ES256"}}},
			FetchedAt: fetched.Round(0), Age: 10 * time.Second,
			Fetches: 2, SuccessfulFetches: 1, LastAttempt: fetched, NextFetch: s.NextFetch,
		}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("with keys:\n got %+v\nwant %+v", s, want)
		}
		if err := lookup(t, keys, "forged"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a forged kid: %v; want %v", err, ErrUnknownKey)
		}
		issuer.answerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		pass(time.Until(keys.Status().NextFetch))
		synctest.Wait()
		failed := time.Now()
		if s := keys.Status(); s.UnknownKeys != 1 || s.FailedFetches != 1 || s.Failures != 1 || !s.FailingSince.Equal(failed) {
			t.Errorf("%d unknown keys, %d failed fetches, %d since the last success, failing since %v; want one each, and since %v", s.UnknownKeys, s.FailedFetches, s.Failures, s.FailingSince, failed)
		}
		issuer.publish(t, "first")
		pass(firstRetry)
		synctest.Wait()
		if s := keys.Status(); s.FailedFetches != 1 || s.Failures != 0 || !s.FailingSince.IsZero() || s.LastError != "" {
			t.Errorf("after a success: %d failed fetches, %d since it, failing since %v by %q; want 1, 0 and nothing", s.FailedFetches, s.Failures, s.FailingSince, s.LastError)
		}
		if due := s.NextFetch.Sub(fetched); due < 12*time.Minute || due > 15*time.Minute {
			t.Errorf("next fetch %v after the last, want within MaxRefresh", due)
		}
	})
}

// TestKeysAgeWhileTheMachineSleeps: a monotonic reading, which stands still then,
// would keep them young. There is none to see in a bubble.
func TestKeysAgeWhileTheMachineSleeps(t *testing.T) {
	t.Parallel()
	keys := newRemote(t, RemoteConfig{URL: newServer(t).url})
	if err := lookup(t, keys, "first"); err != nil {
		t.Fatal(err)
	}
	if at := keys.Status().FetchedAt.String(); strings.Contains(at, " m=") {
		t.Errorf("%s has a monotonic reading", at)
	}
}

// TestAnotherErrorOfAnOutageIsLogged, but not twice a minute, and not one that differs only
// in the port of this side or in the time.
func TestAnotherErrorOfAnOutageIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var failure atomic.Pointer[error]
		failWith := func(format string, args ...any) {
			err := fmt.Errorf(format, args...)
			failure.Store(&err)
		}
		n := 0
		failWith("read tcp 192.0.2.1:%d->192.0.2.2:443: connection reset by peer", n)
		keys := newRemote(t, RemoteConfig{
			URL: "https://issuer.example.com/jwks.json", Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, *failure.Load() }),
		})
		steps := func(format string) {
			for range 600 {
				n++
				failWith(format, n)
				pass(time.Second)
			}
		}
		steps("read tcp 192.0.2.1:%d->192.0.2.2:443: connection reset by peer")
		since := keys.Status().FailingSince
		steps("x509: certificate has expired: current time %d is after the end")
		steps("status %d") // another each time
		if err := keys.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		// In the ten minutes of the last step each fetch fails otherwise, every 15 to 30 seconds.
		if len(lines) < 2+6 || len(lines) > 2+10 {
			t.Fatalf("%d lines, want one for each of the first two errors, and then at most one a minute:\n%s", len(lines), log.String())
		}
		for i, want := range []string{"connection reset", "certificate has expired", "status"} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "since="+since.Format("2006-01-02T15:04:05.000Z07:00")) {
				t.Errorf("line %d is %q, want %q and since when", i, lines[i], want)
			}
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnlyChangesAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Transport: issuer.transport,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		pass(time.Hour)
		issuer.refusing.Store(true)
		pass(20 * time.Minute)
		issuer.refusing.Store(false)
		pass(time.Hour)
		issuer.answerWith(body(string(keySet(t, issuer.keys["first"], jwk{"kty": "oct"}))))
		pass(time.Hour) // an entry that is not used is a change for operators
		if err := keys.Close(); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, "source="+issuer.url) {
				t.Errorf("%q does not name the source", line)
			}
			if strings.Contains(line, "level=WARN") != strings.Contains(line, "fails") {
				t.Errorf("%q has the wrong level", line)
			}
			_, message, _ := strings.Cut(line, `msg="`)
			message, _, _ = strings.Cut(message, `"`)
			lines = append(lines, message)
		}
		want := "the key set changed; fetching the key set fails; fetching the key set succeeds again; the key set changed"
		if got := strings.Join(lines, "; "); got != want {
			t.Errorf("logged %q\nwant   %q", got, want)
		}
	})
}
