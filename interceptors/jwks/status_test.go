package jwks

import (
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
			Fetches: 2, LastAttempt: fetched, NextFetch: s.NextFetch,
		}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("with keys:\n got %+v\nwant %+v", s, want)
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
