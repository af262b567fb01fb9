package token_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// hand is a clock that the test moves.
type hand struct{ nanos atomic.Int64 }

func newHand() *hand {
	h := &hand{}
	h.nanos.Store(now.UnixNano())
	return h
}

func (h *hand) now() time.Time           { return time.Unix(0, h.nanos.Load()) }
func (h *hand) advance(d time.Duration)  { h.nanos.Add(int64(d)) }
func (h *hand) issuer() *authtest.Issuer { return issuerAt(issuerURL, h.now) }
func verifierAt(t testing.TB, h *hand, keys jwks.Set, edit func(*token.Config)) *token.Verifier {
	t.Helper()
	config := token.Config{Now: h.now, Issuers: []token.Issuer{{
		URL: issuerURL, Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true,
	}}}
	if edit != nil {
		edit(&config)
	}
	v, err := token.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCacheAnswersWithTheSameIdentity(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	raw := issuer.Session("user_ada")
	keys := keysOf(t, issuer)
	cached := verifierAt(t, h, keys, nil)
	first, second := expect(t, cached, raw, pass), expect(t, cached, raw, pass)
	if first != second {
		t.Error("the second verification made another identity")
	}
	for name, edit := range map[string]func(*token.Config){
		"a verifier without a cache":     func(c *token.Config) { c.CacheEntries = -1 },
		"a cache with too little memory": func(c *token.Config) { c.CacheBytes = 1 },
	} {
		v := verifierAt(t, h, keys, edit)
		first, second := expect(t, v, raw, pass), expect(t, v, raw, pass)
		if first == second {
			t.Errorf("%s remembered the token", name)
		}
	}
}

func TestCacheCountsWhatItWasAskedFor(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	ada, ben := issuer.Session("user_ada"), issuer.Session("user_ben")
	v := verifierAt(t, h, keysOf(t, issuer), nil)
	for _, raw := range []string{ada, ben, ada, ada} {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(t.Context(), "not.a.token"); err == nil {
		t.Fatal("what is no token was accepted")
	}
	status := v.CacheStatus()
	if status.Bytes <= 0 {
		t.Errorf("two tokens take %d bytes", status.Bytes)
	}
	status.Bytes = 0
	if want := (token.CacheStatus{Hits: 2, Misses: 3, Entries: 2}); status != want {
		t.Errorf("%+v; want %+v", status, want)
	}
	without := verifierAt(t, h, keysOf(t, issuer), func(c *token.Config) { c.CacheEntries = -1 })
	expect(t, without, ada, pass)
	if status := without.CacheStatus(); status != (token.CacheStatus{}) {
		t.Errorf("without a cache: %+v; want zeros", status)
	}
}

func TestCacheChecksTheTimeOnEveryHit(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	v := verifierAt(t, h, keysOf(t, issuer), nil)
	raw := issuer.Session("user_ada") // lives 60 seconds, and 5 of skew

	expect(t, v, raw, pass)
	h.advance(65*time.Second - time.Nanosecond)
	expect(t, v, raw, pass)
	h.advance(time.Nanosecond)
	expect(t, v, raw, auth.TokenExpired)
	h.advance(-2 * time.Minute) // a clock set back: now the token is of the future
	expect(t, v, raw, auth.TokenNotYetValid)
}

// A cached verdict ends when its key leaves the key set.
func TestCacheForgetsWithTheKey(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	old := issuer.Key()
	raw := issuer.Session("user_ada")
	keys, err := jwks.NewRemote(jwks.RemoteConfig{
		URL: issuer.JWKSURL(), Transport: &http.Transport{DisableKeepAlives: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	v, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer.URL(), Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, v, raw, pass)

	issuer.RotateKey()
	issuer.RemoveKey(old.ID())
	expect(t, v, raw, pass) // the verifier does not know yet
	// A token of the new key makes the set be fetched, and the old key go.
	expect(t, v, issuer.Session("user_ben"), pass)
	expect(t, v, raw, auth.KeyUnknown)
}

// However many tokens come, the cache holds no more than it may, and what it
// answers is always right.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	v := verifierAt(t, h, keysOf(t, issuer), func(c *token.Config) { c.CacheEntries, c.CacheBytes = 16, 8<<10 })
	tokens := make([]string, 100)
	for i := range tokens {
		tokens[i] = issuer.Session(fmt.Sprintf("user_%d", i))
	}
	remembered := 0
	for round := range 2 {
		for i, raw := range tokens {
			first := expect(t, v, raw, pass)
			if want := fmt.Sprintf("user_%d", i); first.Subject != want {
				t.Fatalf("the token of %s became %s", want, first.Subject)
			}
			if again := expect(t, v, raw, pass); round == 0 && again == first {
				remembered++
			}
		}
	}
	if remembered != len(tokens) {
		t.Errorf("%d of %d tokens were remembered right after they were seen", remembered, len(tokens))
	}
}

func TestCacheUnderConcurrency(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	v := verifierAt(t, h, keysOf(t, issuer), func(c *token.Config) { c.CacheEntries, c.CacheBytes = 32, 24<<10 })
	tokens := make([]string, 64)
	for i := range tokens {
		tokens[i] = issuer.Session(fmt.Sprintf("user_%d", i))
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := (i*7 + worker*13) % len(tokens)
				id, err := v.Verify(t.Context(), tokens[n])
				if want := fmt.Sprintf("user_%d", n); err != nil || id.Subject != want {
					t.Errorf("the token of %s: %v, %v", want, id, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
