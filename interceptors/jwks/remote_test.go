package jwks

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestForgedSignaturesCauseNoFetch(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		for range 10_000 {
			key := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
			if err := key.Verify("ES256", []byte(input), make([]byte, 64)); !errors.Is(err, ErrSignature) {
				t.Fatalf("%v, want ErrSignature", err)
			}
			pass(time.Millisecond)
		}
		if n := issuer.requests.Load(); n != 1 {
			t.Errorf("%d fetches, want only the first", n)
		}
	})
}

func TestOnlyAnUnknownKidCausesAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.publish(t, "first", "second")
		keys := issuer.remote(t)
		for _, row := range []struct {
			kid, algorithm string
			want           error
		}{
			{"first", "ES256", nil},
			{"first", "RS256", ErrAlgorithm},
			{"first", "none", ErrAlgorithm},
			{"first", "", ErrAlgorithm},
			{"", "ES256", ErrUnknownKey}, // one of two, and no telling which
		} {
			if _, err := findOne(t, keys, Hint{KeyID: row.kid, Algorithm: row.algorithm}); !errors.Is(err, row.want) {
				t.Errorf("kid %q, algorithm %q: %v, want %v", row.kid, row.algorithm, err, row.want)
			}
		}
		if n := issuer.requests.Load(); n != 1 {
			t.Errorf("%d fetches, want only the first", n)
		}
	})
}

func TestAnEmptyKidFindsTheOnlyKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := newBubble(t).remote(t)
		key, err := findOne(t, keys, Hint{KeyID: "", Algorithm: "ES256"})
		if err != nil || key.ID() != "first" {
			t.Fatalf("%v, %v", key, err)
		}
	})
}

func TestACancelledCallerLeavesTheSharedFetchAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		set := issuer.setOf(t, "first")
		issuer.answerWith(slowly(500*time.Millisecond, set))
		keys := issuer.remote(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("the client hung up")
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := keys.Lookup(ctx, Hint{KeyID: "first", Algorithm: "ES256"})
			if !errors.Is(err, ErrUnavailable) || !errors.Is(err, gone) {
				t.Errorf("the caller that left: %v", err)
			}
		})
		calls.Go(func() {
			if err := lookup(t, keys, "first"); err != nil {
				t.Errorf("the caller that stayed: %v", err)
			}
		})
		pass(100 * time.Millisecond)
		cancel(gone)
		calls.Wait()
		if n := issuer.requests.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestAKnownKeyNeverWaits(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(hang)
		var stray sync.WaitGroup
		stray.Go(func() { _ = lookup(t, keys, "unknown") })
		pass(time.Millisecond)
		start := time.Now()
		if err := lookup(t, keys, "first"); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a fetch that concerns another key", waited)
		}
		stray.Wait()
	})
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(hang)
		keys := issuer.remote(t)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := lookup(t, keys, "first"); !errors.Is(err, ErrUnavailable) {
				t.Errorf("a caller that waits: %v, want ErrUnavailable", err)
			}
		})
		pass(2 * time.Second)
		for range 2 {
			if err := keys.Close(); err != nil {
				t.Fatal(err)
			}
		}
		waiting.Wait()
		n := issuer.requests.Load()
		if err := lookup(t, keys, "first"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after Close: %v, want ErrUnavailable", err)
		}
		pass(time.Hour)
		if after := issuer.requests.Load(); after != n {
			t.Errorf("%d fetches after Close", after-n)
		}
	})
}

func TestTheHotPathAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts what others allocate too
	keys := newRemote(t, RemoteConfig{URL: newServer(t).url})
	key := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
	if n := testing.AllocsPerRun(100, func() { _, _ = keys.Lookup(t.Context(), Hint{KeyID: "first", Algorithm: "ES256"}) }); n != 0 {
		t.Errorf("Lookup: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { key.Live() }); n != 0 {
		t.Errorf("Live: %v allocations", n)
	}
}

func TestWatchersAreCalledOnEachChange(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		first := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		var one, two atomic.Int64
		live := make(chan bool, 10)
		stopOne := keys.Watch(func() { one.Add(1); live <- first.Live() })
		stopTwo := keys.Watch(func() { two.Add(1) })
		defer stopTwo()
		expect := func(after string, wantOne, wantTwo int64) {
			t.Helper()
			pass(15 * time.Minute)
			if one.Load() != wantOne || two.Load() != wantTwo {
				t.Errorf("after %s: %d and %d calls, want %d and %d", after, one.Load(), two.Load(), wantOne, wantTwo)
			}
		}
		expect("nothing", 0, 0)
		issuer.publish(t, "first", "second")
		expect("a key more", 1, 1)
		if !<-live {
			t.Error("the key that stayed is dead")
		}
		issuer.publish(t, "second")
		expect("a key less", 2, 2)
		if <-live {
			t.Error("the watcher was called before the removed key was dead")
		}
		issuer.answerWith(body(string(keySet(t, issuer.keys["second"], issuer.keys["first"].with("use", "enc")))))
		expect("an entry that is not used", 2, 2)
		issuer.answerWith(hang)
		expect("an outage", 2, 2)
		stopOne()
		stopOne()
		issuer.publish(t, "first")
		expect("another key, with one watcher gone", 2, 3)
	})
}

// TestAWatcherMayWatchAndStop: it is called without a lock.
func TestAWatcherMayWatchAndStop(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, _ *issuer, keys *Remote) {
		calls := 0
		var stop func()
		stop = keys.Watch(func() {
			calls++
			stop()
			keys.Watch(func() { calls += 10 })
		})
		keys.notifyWatchers()
		keys.notifyWatchers()
		if calls != 11 {
			t.Errorf("%d, want one call of the first watcher and one of the second", calls)
		}
	})
}

var _ Watcher = (*Remote)(nil)

func TestKeysAreUsedUntilMaxStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{URL: issuer.url, Transport: issuer.transport, MaxStale: time.Hour, MaxRefresh: time.Hour, MinRefresh: time.Hour})
		key := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		issuer.refusing.Store(true)
		pass(time.Hour - time.Nanosecond)
		if err := lookup(t, keys, "first"); err != nil || !key.Live() || !keys.Ready() {
			t.Fatalf("before MaxStale: %v", err)
		}
		pass(time.Nanosecond)
		if err := lookup(t, keys, "first"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("at MaxStale: %v, want ErrUnavailable", err)
		}
		if key.Live() || keys.Ready() {
			t.Errorf("at MaxStale: live %v, ready %v", key.Live(), keys.Ready())
		}

		issuer.refusing.Store(false)
		pass(slowWithKeys)
		if again, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"}); err != nil || again != key || !key.Live() {
			t.Errorf("the key that the issuer still lists: %v", err)
		}
	})
}

func TestOneBadKeyAmongGoodOnesIsSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.publish(t, "first", "second")
		issuer.answerWith(body(string(keySet(t, issuer.keys["first"].with("x", "!"), issuer.keys["second"]))))
		keys := issuer.remote(t)
		if err := lookup(t, keys, "second"); err != nil {
			t.Fatal(err)
		}
		if err := lookup(t, keys, "first"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
		want := Skipped{Index: 0, ID: "first", Reason: `"x" is missing, or is not base64url without padding`}
		if s := keys.Status(); len(s.Skipped) != 1 || s.Skipped[0] != want {
			t.Errorf("skipped %+v, want %+v", s.Skipped, want)
		}
	})
}
