package jwks

import (
	"crypto/elliptic"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestANewKeyIsAcceptedAfterOneRoundTrip(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.publish(t, "first", "second")
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if err := lookup(t, keys, "second"); err != nil {
					t.Error("a token of the new key:", err)
				}
			})
			calls.Go(func() {
				if err := lookup(t, keys, "first"); err != nil {
					t.Error("a token of the old key:", err)
				}
			})
		}
		calls.Wait()
		if n := issuer.requests.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestAStrayKidDoesNotMakeARotationWait(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("%v, want ErrUnknownKey", err)
		}
		issuer.publish(t, "second")
		start := time.Now()
		if err := lookup(t, keys, "second"); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v, want the new key at once", err, time.Since(start))
		}
	})
}

func TestANewKeyIsAcceptedOneCooldownAfterTwoStrayKids(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		for range bucketSize {
			if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnknownKey) {
				t.Fatalf("%v, want ErrUnknownKey", err)
			}
		}
		issuer.publish(t, "second")
		start := time.Now()
		for lookup(t, keys, "second") != nil {
			if err := lookup(t, keys, "first"); err != nil {
				t.Fatal("a token of the old key, before the rotation is noticed:", err)
			}
			pass(10 * time.Millisecond)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("accepted after %v, want one cool-down of 5s", took)
		}
	})
}

func TestAStrayKidAfterARotationDoesNoHarm(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.publish(t, "first", "second")
		if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("%v, want ErrUnknownKey", err)
		}
		if err := lookup(t, keys, "second"); err != nil {
			t.Error("the fetch for the stray kid brought the new key, too:", err)
		}
		if n := issuer.requests.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

// TestARotationDuringAFetch: the fetch that a caller joins may have left before
// the key was published, so it asks once more.
func TestARotationDuringAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		old := issuer.setOf(t, "first")
		issuer.answerWith(slowly(300*time.Millisecond, old))
		keys := issuer.remote(t)
		pass(100 * time.Millisecond)
		issuer.publish(t, "first", "second")
		if err := lookup(t, keys, "second"); err != nil {
			t.Error(err)
		}
	})
}

func TestARemovedKeyIsRefusedWithinTheRefreshInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.publish(t, "first", "second")
		keys := issuer.remote(t)
		first := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		second := mustFind(t, keys, Hint{KeyID: "second", Algorithm: "ES256"})
		issuer.publish(t, "second")
		pass(15 * time.Minute)
		if first.Live() {
			t.Error("verdicts of the removed key still hold")
		}
		if err := lookup(t, keys, "first"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a token of the removed key: %v, want ErrUnknownKey", err)
		}
		if again, err := findOne(t, keys, Hint{KeyID: "second", Algorithm: "ES256"}); again != second || !second.Live() {
			t.Errorf("the key that stayed became another one: %v", err)
		}

		issuer.publish(t, "first", "second")
		pass(15 * time.Minute)
		if again, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"}); err != nil || again == first || !again.Live() {
			t.Errorf("the key that came back: %v", err)
		}
		if first.Live() {
			t.Error("verdicts of the removed key hold again")
		}
	})
}

func TestAKeyThatChangesUnderItsKidIsANewKey(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, key jwk) jwk{
		"in material": func(t *testing.T, _ jwk) jwk {
			t.Helper()
			return publicJWK(t, "first", edKey(t).Public())
		},
		"in algorithm": func(_ *testing.T, key jwk) jwk { return key.with("alg", "RS512") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rsa := publicJWK(t, "first", rsaKey().Public())
			changed := body(string(keySet(t, change(t, rsa))))
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.answerWith(body(string(keySet(t, rsa))))
				keys := issuer.remote(t)
				before := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "RS256"})
				issuer.answerWith(changed)
				pass(15 * time.Minute)
				if before.Live() {
					t.Error("verdicts of the old key still hold")
				}
				if _, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "RS256"}); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%v, want ErrAlgorithm", err)
				}
			})
		})
	}
}

func TestAKeyWhoseThumbprintChangesIsFoundByTheNewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		publish := func(x5t string) { issuer.answerWith(body(string(keySet(t, issuer.keys["first"].with("x5t", x5t))))) }
		publish("old")
		keys := issuer.remote(t)
		before := mustFind(t, keys, Hint{X5T: "old", Algorithm: "ES256"})
		publish("new")
		after, err := findOne(t, keys, Hint{X5T: "new", Algorithm: "ES256"})
		if err != nil || !after.Live() || before.Live() {
			t.Errorf("%v; the old one is live: %v", err, before.Live())
		}
		if _, err := findOne(t, keys, Hint{X5T: "old", Algorithm: "ES256"}); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("by the old thumbprint: %v, want ErrUnknownKey", err)
		}
		if n := issuer.requests.Load(); n != 3 {
			t.Errorf("%d fetches, want one for each unknown thumbprint", n)
		}
	})
}

func TestALateAnswerToAnOlderRequestChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		old, renewed := issuer.setOf(t, "first"), issuer.setOf(t, "second")
		release := make(chan struct{})
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			<-release // even after the caller has left
			old(w, r)
		})
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.answerWith(renewed)
		if err := lookup(t, keys, "second"); err != nil {
			t.Fatal("the fetch beside the one that hangs:", err)
		}
		close(release)
		pass(time.Second)
		if err := lookup(t, keys, "second"); err != nil {
			t.Error("the older answer took the newer key away:", err)
		}
		if s := keys.Status(); s.LastError != "" || s.Failures != 0 {
			t.Errorf("the older fetch counts as a failure: %q", s.LastError)
		}
	})
}

// TestFinishIgnoresOlderFetches is the same without a network that cancels.
func TestFinishIgnoresOlderFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(hang)
		keys := issuer.remote(t)
		older := &fetch{number: 2, sentAt: time.Now()}
		newer := &fetch{number: 3, sentAt: time.Now()}
		parse := func(name string) answer {
			key := mustKey(t, name, ecKey(t, elliptic.P256()).Public(), "")
			return answer{document: document{keys: []*Key{key}}}
		}
		if keys.finish(newer, parse("new"), nil) == nil {
			t.Fatal("the newer answer was not taken")
		}
		if keys.finish(older, parse("old"), nil) != nil {
			t.Error("the older answer was taken")
		}
		keys.finish(older, answer{}, errors.New("late failure"))
		if s := keys.Status(); s.Keys[0].ID != "new" || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRetriesBackOff: the delay doubles up to a limit, less a random part.
func TestRetriesBackOff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		ready  bool
		delays []int // in milliseconds
	}{
		"with keys":    {true, []int{100, 200, 400, 800, 1500, 1500, 1500}},
		"without keys": {false, []int{100, 200, 400, 800, 800, 800, 800}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(!row.ready)
				keys := issuer.remote(t)
				synctest.Wait()
				if row.ready {
					issuer.refusing.Store(true)
					pass(time.Until(keys.Status().NextFetch))
				}
				for i, milliseconds := range row.delays {
					delay := time.Duration(milliseconds) * time.Millisecond
					due := time.Until(keys.Status().NextFetch)
					if due < delay/2 || due >= delay {
						t.Errorf("after failure %d the next fetch is in %v, want from half of %v to less than it", i+1, due, delay)
					}
					if s := keys.Status(); s.Failures != i+1 {
						t.Errorf("%d failures, want %d", s.Failures, i+1)
					}
					pass(due)
				}
			})
		})
	}
}
