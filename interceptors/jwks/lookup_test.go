package jwks

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhicheverFetchBringsTheKeysEndsTheWait: a caller joins the newest fetch,
// which hangs, and the one before it brings the keys.
func TestWhicheverFetchBringsTheKeysEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(slowly(3*time.Second, issuer.setOf(t, "first")))
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.answerWith(hang)
		pass(2900 * time.Millisecond)
		if n := issuer.requests.Load(); n != 2 {
			t.Fatalf("%d fetches, want the second beside the first", n)
		}
		start := time.Now()
		if err := lookup(t, keys, "first"); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("waited %v, want until the keys came after 100ms", waited)
		}
	})
}

// TestAnOlderAnswerDoesNotEndTheWaitForANewKey: the refresh that is under way left
// before the key was published, and the caller's own fetch after.
func TestAnOlderAnswerDoesNotEndTheWaitForANewKey(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(slowly(time.Second, issuer.setOf(t, "first")))
		pass(time.Until(keys.Status().NextFetch) + 300*time.Millisecond)
		issuer.answerWith(slowly(2*time.Second, issuer.setOf(t, "second")))
		start := time.Now()
		if err := lookup(t, keys, "second"); err != nil {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if n := issuer.requests.Load(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// TestNobodyWaitsForAThirdFetch, even where the cool-down allows one: the second
// left after the caller came, and what it does not bring is unknown.
func TestNobodyWaitsForAThirdFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(slowly(time.Second, issuer.setOf(t, "first")))
		keys := newRemote(t, RemoteConfig{URL: issuer.url, Transport: issuer.transport, Cooldown: time.Millisecond})
		synctest.Wait()
		start := time.Now()
		if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v, want the 1s of two fetches each", waited)
		}
	})
}

// TestAJoinedFetchThatFailsIsTheLast: who joined a fetch that hung does not start
// another one to hang on.
func TestAJoinedFetchThatFailsIsTheLast(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(hang)
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				start := time.Now()
				if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnavailable) {
					t.Errorf("%v, want ErrUnavailable", err)
				}
				if waited := time.Since(start); waited != 5*time.Second {
					t.Errorf("waited %v, want one FetchTimeout of 5s", waited)
				}
			})
		}
		calls.Wait()
	})
}

// A caller who comes later starts a fetch of its own.
func TestACallerJoinsARecentFetch(t *testing.T) {
	t.Parallel()
	for late, fetches := range map[time.Duration]int64{joinWindow: 2, joinWindow + 1: 3} {
		withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
			issuer.answerWith(hang)
			var calls sync.WaitGroup
			calls.Go(func() { _ = lookup(t, keys, "one") })
			pass(late)
			calls.Go(func() { _ = lookup(t, keys, "other") })
			synctest.Wait()
			if n := issuer.requests.Load(); n != fetches {
				t.Errorf("after %v: %d fetches, want %d", late, n, fetches)
			}
			calls.Wait()
		})
	}
}

// TestKeysThatArrivedMeanwhileCauseNoFetch: the keys may have arrived between the first
// look, without the lock, and the second.
func TestKeysThatArrivedMeanwhileCauseNoFetch(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		if result := keys.nextResult(&caller{hint: Hint{KeyID: "first", Algorithm: "ES256"}}); result != nil {
			t.Error("a caller whose key is there is to wait")
		}
		synctest.Wait()
		if n := issuer.requests.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// stuck is a log handler that asks for the Status and then hangs.
type stuck struct {
	slog.Handler
	keys    *atomic.Pointer[Remote]
	release <-chan struct{}
}

func (s stuck) Enabled(context.Context, slog.Level) bool { return true }

func (s stuck) Handle(context.Context, slog.Record) error {
	if keys := s.keys.Load(); keys != nil {
		keys.Status()
	}
	<-s.release
	return nil
}

func TestALoggerThatHangsDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		set, proceed, release := issuer.setOf(t, "first"), make(chan struct{}), make(chan struct{})
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			<-proceed
			set(w, r)
		})
		var remote atomic.Pointer[Remote]
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Transport: issuer.transport,
			Logger: slog.New(stuck{slog.DiscardHandler, &remote, release}),
		})
		remote.Store(keys)
		close(proceed)
		start := time.Now()
		if err := lookup(t, keys, "first"); err != nil {
			t.Error(err)
		}
		if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
		if !keys.Status().Ready || time.Since(start) != 0 {
			t.Errorf("ready %v after %v", keys.Status().Ready, time.Since(start))
		}
		close(release)
	})
}

func TestAThousandConcurrentFirstCallsCauseOneFetch(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 300 * time.Millisecond, time.Second, 2 * time.Second} {
		t.Run("of an issuer that takes "+takes.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.answerWith(slowly(takes, issuer.setOf(t, "first")))
				keys := issuer.remote(t)
				var calls sync.WaitGroup
				for range 1000 {
					calls.Go(func() {
						if err := lookup(t, keys, "first"); err != nil {
							t.Error(err)
						}
					})
				}
				calls.Wait()
				if n := issuer.requests.Load(); n != 1 {
					t.Errorf("%d fetches, want 1", n)
				}
			})
		})
	}
}

// The fetches that tokens cause are counted apart from the retries.
func TestTenThousandUnknownKidsInTenSecondsCauseFewFetches(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		answer   func(set http.HandlerFunc) http.HandlerFunc
		retries  int64 // at most; none where the issuer is well
		together int64 // callers that wait at a time, at most
		// Those who come in [slow, gone) get either error; before that the key is
		// unknown, and from then on the issuer cannot be reached.
		slow, gone time.Duration
	}{
		{"of an issuer that answers at once", func(set http.HandlerFunc) http.HandlerFunc { return set }, 0, 1, never, never},
		{"of an issuer that takes 1s", func(set http.HandlerFunc) http.HandlerFunc { return slowly(time.Second, set) }, 0, 502, never, never},
		{"of an issuer that takes 2s", func(set http.HandlerFunc) http.HandlerFunc { return slowly(2*time.Second, set) }, 0, 502, 0, never},
		{"of an issuer that fails", func(http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
		}, 15, 1, 0, 0},
		{"of an issuer that hangs", func(http.HandlerFunc) http.HandlerFunc { return hang }, 6, 502, 0, slowWithKeys + time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
				pass(time.Second)
				issuer.answerWith(row.answer(issuer.setOf(t, "first")))
				before := issuer.requests.Load()
				var calls sync.WaitGroup
				var together, most atomic.Int64
				onToken := map[time.Time]bool{}
				began := time.Now()
				for i := range 10_000 {
					calls.Go(func() {
						together.Add(1)
						defer together.Add(-1)
						came := time.Since(began)
						err := lookup(t, keys, "unknown-"+strconv.Itoa(i))
						if unknown := errors.Is(err, ErrUnknownKey); unknown == errors.Is(err, ErrUnavailable) ||
							unknown && came >= row.gone || !unknown && came < row.slow {
							t.Errorf("who came after %v: %v", came, err)
						}
					})
					synctest.Wait()
					most.Store(max(most.Load(), together.Load()))
					start := time.Now()
					if err := lookup(t, keys, "first"); err != nil || time.Since(start) != 0 {
						t.Fatalf("a good call took %v: %v", time.Since(start), err)
					}
					keys.mu.Lock()
					onToken[keys.refresh.onToken.full] = true
					keys.mu.Unlock()
					<-time.After(time.Millisecond)
				}
				requests := issuer.requests.Load() - before
				if n := len(onToken); n != 3 {
					t.Errorf("tokens caused %d fetches, want 2 at once and one after 5s", n)
				}
				if n := requests - int64(len(onToken)); n > row.retries {
					t.Errorf("%d retries, want at most %d", n, row.retries)
				}
				if n := most.Load(); n > row.together {
					t.Errorf("%d callers waited at a time, want at most %d", n, row.together)
				}
				if row.retries > 0 {
					assertRecovery(t, issuer, keys, slowWithKeys)
				}
				calls.Wait()
			})
		})
	}
}

func TestTheNumberOfWaitingCallersIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(hang)
		keys := issuer.remote(t)
		const tooMany = 10
		var calls sync.WaitGroup
		var refused atomic.Int64
		start := time.Now()
		for range maxWaiting + tooMany {
			calls.Go(func() {
				if err := lookup(t, keys, "first"); errors.Is(err, ErrUnavailable) && time.Since(start) == 0 {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := refused.Load(); n != tooMany {
			t.Errorf("%d callers were answered at once, want the %d beyond %d", n, tooMany, maxWaiting)
		}
		calls.Wait()
		issuer.publish(t, "first")
		pass(slowUnready)
		issuer.publish(t, "second")
		if err := lookup(t, keys, "second"); err != nil {
			t.Error("those that waited still take up the room:", err)
		}
	})
}

func TestABucketHoldsTwo(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var b bucket
	for i, row := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{0, true},
		{0, false},
		{5*time.Second - 1, false},
		{5 * time.Second, true},
		{5 * time.Second, false},
		{10*time.Second - 1, false},
		{10 * time.Second, true}, // the fourth in ten seconds
		{10 * time.Second, false},
		{20*time.Second - 1, true},
		{20 * time.Second, true},
		{20 * time.Second, false},
		{time.Hour, true},
		{time.Hour, true},
		{time.Hour, false}, // it never holds more
	} {
		if got := b.take(start.Add(row.after), 5*time.Second); got != row.want {
			t.Errorf("take %d, after %v: %v, want %v", i, row.after, got, row.want)
		}
	}
}
