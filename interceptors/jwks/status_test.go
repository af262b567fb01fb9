package jwks

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
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
		if s := keys.Status(); s.UnknownKeys != 1 || s.FailedFetches != 1 || s.Failures != 1 {
			t.Errorf("%d unknown keys, %d failed fetches, %d since the last success; want one each", s.UnknownKeys, s.FailedFetches, s.Failures)
		}
		issuer.publish(t, "first")
		pass(firstRetry)
		synctest.Wait()
		if s := keys.Status(); s.FailedFetches != 1 || s.Failures != 0 {
			t.Errorf("after a success: %d failed fetches, %d since it; want 1 and 0", s.FailedFetches, s.Failures)
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

func TestOnlyChangesAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Client: issuer.client,
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
