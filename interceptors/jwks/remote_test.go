package jwks

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestForgedSignaturesMakeNoFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		for range 10_000 {
			key, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
			if err != nil {
				t.Fatal(err)
			}
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

func TestNothingButAnUnknownKidMakesAFetch(t *testing.T) {
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
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(500 * time.Millisecond)
			set(w, r)
		})
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
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		if err := lookup(t, keys, "first"); err != nil {
			t.Fatal(err)
		}
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
	key, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = keys.Lookup(t.Context(), Hint{KeyID: "first", Algorithm: "ES256"}) }); n != 0 {
		t.Errorf("Lookup: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { key.Live() }); n != 0 {
		t.Errorf("Live: %v allocations", n)
	}
}
