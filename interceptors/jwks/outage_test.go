package jwks

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// troubles are the ways in which an issuer fails. Each has a word of the error
// that Status shows.
func troubles(t *testing.T) map[string]struct {
	handler http.HandlerFunc
	says    string
} {
	t.Helper()
	key := publicJWK(t, "first", edKey(t).Public())
	set := string(keySet(t, key))
	many := make([]jwk, 101)
	for i := range many {
		many[i] = key
	}
	return map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"hanging": {hang, "deadline exceeded"},
		"hanging in the middle of the body": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(set[:len(set)/2]))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "deadline exceeded"},
		"resetting the connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"status 500": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, set, http.StatusInternalServerError)
		}, "status 500"},
		"status 404 with a good set": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, set, http.StatusNotFound)
		}, "status 404"},
		"status 204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "status 204"},
		"status 304 unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		}, "status 304"},
		"HTML":            {body("<html><body>Down for maintenance</body></html>"), "not one JSON object"},
		"an empty body":   {body(""), "not one JSON object"},
		"a truncated set": {body(set[:len(set)-5]), "not one JSON object"},
		"a short body": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "9999")
			body(set)(w, r)
		}, "EOF"},
		"trailing garbage":      {body(set + "x"), "not one JSON object"},
		"two sets":              {body(set + set), "not one JSON object"},
		"an empty object":       {body("{}"), `no "keys" array`},
		"keys that are null":    {body(`{"keys":null}`), `no "keys" array`},
		"no keys":               {body(`{"keys":[]}`), "no usable key among 0"},
		"unknown types alone":   {body(`{"keys":[{"kty":"AKP","kid":"first"}]}`), "no usable key among 1"},
		"private keys alone":    {body(string(keySet(t, key.with("d", "c2VjcmV0")))), "no usable key among 1"},
		"a body over the limit": {body(set + strings.Repeat(" ", 256<<10)), "longer than 262144 bytes"},
		"too many keys":         {body(string(keySet(t, many...))), "101 keys"},
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/jwks.json", http.StatusFound)
		}, "another origin"},
	}
}

// hangs is how long a fetch can hang that was sent just before the issuer's return.
const hangs = 5 * time.Second

func TestNoFailureOfTheIssuerAffectsKnownKeys(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
				key := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
				issuer.answerWith(trouble.handler)
				for range 20 { // the first refresh comes within 15
					pass(time.Minute)
					if again, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"}); err != nil || again != key || !key.Live() {
						t.Fatalf("a good call during the outage: %v", err)
					}
				}
				if s := keys.Status(); !strings.Contains(s.LastError, trouble.says) || !s.Ready || s.Failures == 0 {
					t.Fatalf("status %+v does not say %q", s, trouble.says)
				}
				assertRecovery(t, issuer, keys, slowAway+hangs)
			})
		})
	}
}

func TestAnUnreachableIssuerDoesNotAffectKnownKeys(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.refusing.Store(true)
		pass(20 * time.Minute)
		if err := lookup(t, keys, "first"); err != nil {
			t.Fatal("a good call during the outage:", err)
		}
		issuer.refusing.Store(false)
		assertRecovery(t, issuer, keys, slowAway+hangs)
	})
}

// assertRecovery has the issuer come back with another key, which must be in use
// without any call that asks for it.
func assertRecovery(t *testing.T, issuer *issuer, keys *Remote, within time.Duration) {
	t.Helper()
	issuer.publish(t, "first", "second")
	pass(within)
	if s := keys.Status(); s.LastError != "" || s.Failures != 0 || len(s.Keys) != 2 {
		t.Errorf("%v after the issuer's return: %+v", within, s)
	}
	if err := lookup(t, keys, "second"); err != nil {
		t.Errorf("%v after the issuer's return: %v", within, err)
	}
}

// away returns for how long fetches have failed.
func away(keys *Remote) time.Duration {
	if s := keys.Status(); s.Failures > 0 {
		return time.Since(s.FailingSince)
	}
	return 0
}

// TestAnIssuerThatStaysAwayIsAskedLessAndLessOften: some two hundred times in the first
// hour, where the pace of the first minute would make some thousands.
func TestAnIssuerThatStaysAwayIsAskedLessAndLessOften(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{"refusing": nil, "hanging": hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(handler == nil)
				if handler != nil {
					issuer.answerWith(handler)
				}
				keys := issuer.remote(t)
				for range 60 {
					pass(time.Minute)
					if due := time.Until(keys.Status().NextFetch); due > slowAway {
						t.Fatalf("the next fetch is in %v, want at most %v", due, slowAway)
					}
				}
				if n := keys.Status().Fetches; n < 120 || n > 300 {
					t.Errorf("%d fetches in an hour, want from 120 to 300", n)
				}
				issuer.refusing.Store(false)
				assertRecovery(t, issuer, keys, slowAway+hangs)
			})
		})
	}
}

// TestATokenBringsTheKeysBackWithinACooldown of the issuer's return, however long the
// issuer was away.
func TestATokenBringsTheKeysBackWithinACooldown(t *testing.T) {
	t.Parallel()
	for name, ready := range map[string]bool{"with keys": true, "without keys": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(!ready)
				keys := issuer.remote(t)
				synctest.Wait()
				issuer.refusing.Store(true)
				pass(time.Hour)
				for range 200 { // which use up what tokens may cause at once
					pass(100 * time.Millisecond)
					if err := lookup(t, keys, "second"); !errors.Is(err, ErrUnavailable) {
						t.Fatalf("during the outage: %v, want ErrUnavailable", err)
					}
				}
				issuer.publish(t, "first", "second")
				issuer.refusing.Store(false)
				back := time.Now()
				for lookup(t, keys, "second") != nil {
					pass(100 * time.Millisecond)
				}
				if took := time.Since(back); took > 5*time.Second {
					t.Errorf("the first good call came %v after the issuer, want at most a cool-down of 5s", took)
				}
			})
		})
	}
}

func TestAnIssuerThatIsDownAtStart(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.answerWith(trouble.handler)
				keys := issuer.remote(t)
				for range 30 {
					pass(100 * time.Millisecond)
					if keys.Ready() {
						t.Fatal("ready without keys")
					}
				}
				issuer.publish(t, "first")
				back := time.Now()
				for lookup(t, keys, "first") != nil {
					pass(10 * time.Millisecond)
				}
				if took := time.Since(back); took > time.Second {
					t.Errorf("the first good call came %v after the issuer, want at most 1s", took)
				}
				if !keys.Ready() {
					t.Error("not ready with keys")
				}
			})
		})
	}
}

func TestWithoutKeysCallersAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.refusing.Store(true)
		keys := issuer.remote(t)
		start := time.Now()
		for range 1000 {
			for _, kid := range []string{"first", ""} {
				err := lookup(t, keys, kid)
				if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
					t.Fatalf("kid %q: %v, want ErrUnavailable and why", kid, err)
				}
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		if s := keys.Status(); s.Fetches != 1+bucketSize {
			t.Errorf("%d fetches, want the first, and those that tokens may cause at once", s.Fetches)
		}
	})
}

// TestFewCallersWaitForAnIssuerThatHangs: once fetching fails, two callers wait, then
// one in each cool-down, and all others are answered at once.
func TestFewCallersWaitForAnIssuerThatHangs(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(hang)
		pass(20 * time.Minute)
		var calls sync.WaitGroup
		var waited atomic.Int64
		for range 99 {
			calls.Go(func() {
				start := time.Now()
				if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnavailable) {
					t.Errorf("%v, want ErrUnavailable", err)
				}
				if time.Since(start) > 0 {
					waited.Add(1)
				}
			})
			pass(100 * time.Millisecond)
		}
		calls.Wait()
		if n := waited.Load(); n != 3 {
			t.Errorf("%d callers waited in 9.9s, want two and one per cool-down of 5s", n)
		}
	})
}

// TestAnUnknownKeyDuringAnOutage is ErrUnavailable, so that the client tries again and nobody is signed out.
func TestAnUnknownKeyDuringAnOutage(t *testing.T) {
	t.Parallel()
	outages := troubles(t)
	outages["refusing"] = struct {
		handler http.HandlerFunc
		says    string
	}{nil, "refused"}
	for name, trouble := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
				if trouble.handler == nil {
					issuer.refusing.Store(true)
				} else {
					issuer.answerWith(trouble.handler)
				}
				for i := range 10 {
					start := time.Now()
					err := lookup(t, keys, "second")
					if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), trouble.says) {
						t.Errorf("call %d: %v, want ErrUnavailable and %q", i, err, trouble.says)
					}
					if waited := time.Since(start); waited > 5*time.Second {
						t.Errorf("call %d: waited %v", i, waited)
					}
					if err := lookup(t, keys, "first"); err != nil {
						t.Errorf("a good call during the outage: %v", err)
					}
					if err := lookup(t, keys, ""); err != nil {
						t.Errorf("a good call without a kid: %v", err)
					}
				}
				issuer.refusing.Store(false)
				assertRecovery(t, issuer, keys, max(slowWithKeys, away(keys)/10)+hangs)
				pass(10 * time.Second)
				if err := lookup(t, keys, "third"); !errors.Is(err, ErrUnknownKey) {
					t.Errorf("after the outage: %v, want ErrUnknownKey", err)
				}
			})
		})
	}
}

// TestATokenThatNamesNoKeyIsRefusedDuringAnOutage too: no newer set could help it.
func TestATokenThatNamesNoKeyIsRefusedDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.publish(t, "first", "second")
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.refusing.Store(true)
		if err := lookup(t, keys, "third"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if err := lookup(t, keys, ""); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("one of two, without a kid: %v, want ErrUnknownKey", err)
		}
		if _, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "RS256"}); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("another algorithm: %v, want ErrAlgorithm", err)
		}
	})
}

// TestAHangingIssuerCountsAsUnreachableAfterAWhile, although none of the fetches
// has failed yet: the third caller may not wait, and is answered.
func TestAHangingIssuerCountsAsUnreachableAfterAWhile(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(hang)
		var waiting sync.WaitGroup
		for range bucketSize {
			waiting.Go(func() { _ = lookup(t, keys, "stray") })
			pass(joinWindow + time.Nanosecond)
		}
		pass(slowWithKeys - 2*(joinWindow+time.Nanosecond))
		if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("just before: %v, want ErrUnknownKey", err)
		}
		pass(time.Nanosecond)
		err := lookup(t, keys, "stray")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has not answered for 1.5s") {
			t.Errorf("after it: %v, want ErrUnavailable", err)
		}
		waiting.Wait()
	})
}

// TestAnAnswerAfterTheLookupBeganCounts, although another fetch is overdue.
func TestAnAnswerAfterTheLookupBeganCounts(t *testing.T) {
	t.Parallel()
	withRemote(t, func(t *testing.T, issuer *issuer, keys *Remote) {
		issuer.answerWith(slowly(2*time.Second, issuer.setOf(t, "first")))
		var waiting sync.WaitGroup
		for range bucketSize {
			waiting.Go(func() {
				if err := lookup(t, keys, "stray"); !errors.Is(err, ErrUnknownKey) {
					t.Errorf("%v, want ErrUnknownKey", err)
				}
			})
			pass(joinWindow + time.Nanosecond)
		}
		waiting.Wait()
	})
}
