package jwks

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly answers after a while, unless the caller gives up before.
func slowly(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

func TestAThousandConcurrentFirstCallsMakeOneFetch(t *testing.T) {
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

const never = time.Hour

// TestTenThousandUnknownKidsInTenSeconds counts what the tokens caused apart from
// what an issuer that fails is asked anyway.
func TestTenThousandUnknownKidsInTenSeconds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		answer   func(set http.HandlerFunc) http.HandlerFunc
		retries  int64 // at most; none where the issuer is well
		together int64 // callers that wait at a time, at most
		// Those who come in [slow, gone) are told either error; before that the key is
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
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				keys := issuer.remote(t)
				if err := lookup(t, keys, "first"); err != nil {
					t.Fatal(err)
				}
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

func TestNoMoreThanSoManyCallersWait(t *testing.T) {
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
