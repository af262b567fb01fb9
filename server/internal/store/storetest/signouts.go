package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// signOut is one of a session that is due at once.
func signOut(id string) store.SignOut {
	return store.SignOut{Issuer: ada.Issuer, SessionID: id, CreatedAt: at(0), ExpiresAt: at(24 * time.Hour), DueAt: at(0)}
}

// request saves sign-outs.
func request(t *testing.T, s store.Store, signOuts ...store.SignOut) {
	t.Helper()
	must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), nil, nil, signOuts...))
}

// claim returns what is claimed for a minute, by session.
func claim(t *testing.T, s store.Store, now time.Duration, limit int) []store.SignOut {
	t.Helper()
	claimed := must[[]store.SignOut](t)(s.ClaimSignOuts(t.Context(), ada.Issuer, at(now), at(now+time.Minute), limit))
	return inOrder(claimed)
}

func inOrder(signOuts []store.SignOut) []store.SignOut {
	slices.SortFunc(signOuts, func(a, b store.SignOut) int { return cmp.Compare(a.SessionID, b.SessionID) })
	return signOuts
}

// kept returns what is kept of sessions of Ada's issuer.
func kept(t *testing.T, s store.Store, ids ...string) []store.SignOut {
	t.Helper()
	var named []store.SignOut
	for _, id := range ids {
		named = append(named, store.SignOut{Issuer: ada.Issuer, SessionID: id})
	}
	return inOrder(must[[]store.SignOut](t)(s.SignOuts(t.Context(), named)))
}

// until is one as it is while it is claimed.
func until(s store.SignOut, due time.Duration) store.SignOut {
	s.DueAt = at(due)
	return s
}

func signOuts(t *testing.T, database Database) {
	s := open(t, database)
	one, other, foreign, bens := signOut("1"), signOut("2'; --\x00"), signOut("1"), signOut("1")
	foreign.Issuer, other.Failures, bens.Subject = stranger.Issuer, 3, ben.Subject
	batch := []store.Revocation{{Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: "1"}, ExpiresAt: at(time.Hour)}}
	must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), batch, answerTo(call, "hash"), one, other, foreign, bens))
	equal(t, "what is kept", kept(t, s, "1", "2'; --\x00", "3", "1"), []store.SignOut{one, other})
	equal(t, "of none", kept(t, s), nil)
	equal(t, "of another subject", must[[]store.SignOut](t)(s.SignOuts(t.Context(), []store.SignOut{bens})), []store.SignOut{bens})

	never := signOut("never")
	if _, err := s.SaveRevocations(t.Context(), batch, answerTo(call, "again"), never); err == nil {
		t.Error("two answers to one call were kept")
	}
	equal(t, "that of a transaction which failed", kept(t, s, "never"), nil)

	again := signOut("1")
	again.CreatedAt, again.DueAt, again.ExpiresAt = at(time.Minute), at(time.Minute), at(48*time.Hour)
	request(t, s, again)
	one.ExpiresAt = at(48 * time.Hour)
	equal(t, "one that is requested again", kept(t, s, "1"), []store.SignOut{one})
	request(t, s, signOut("1"))
	equal(t, "one that is requested again for less", kept(t, s, "1"), []store.SignOut{one})

	for issuer, want := range map[string]int64{ada.Issuer: 3, stranger.Issuer: 1, "https://none.example.com": 0} {
		equal(t, "pending at "+issuer, must[int64](t)(s.PendingSignOuts(t.Context(), issuer)), want)
	}
	revoke(t, s, "the last")
	prune := store.Age{ExpiredBy: at(24*time.Hour - 1)}
	equal(t, "pruned", must[store.Pruned](t)(s.Prune(t.Context(), prune, 1)), store.Pruned{Revocations: 1, SignOuts: 1})
	equal(t, "pruned then", must[store.Pruned](t)(s.Prune(t.Context(), prune, 2)), store.Pruned{SignOuts: 2})
	equal(t, "what is left", kept(t, s, "1", "2'; --\x00"), []store.SignOut{one})
}

func claims(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	first, second, late := signOut("1"), signOut("2"), signOut("3")
	first.DueAt, late.DueAt = at(-time.Hour), at(time.Hour)
	request(t, one, second, late, first)
	equal(t, "the one that is due first", claim(t, one, 0, 1), []store.SignOut{until(first, time.Minute)})
	equal(t, "what the other gets", claim(t, other, 0, 10), []store.SignOut{until(second, time.Minute)})
	equal(t, "what is left", claim(t, one, time.Minute-time.Microsecond, 10), nil)
	equal(t, "when the claims have ended", claim(t, one, time.Minute, 10), []store.SignOut{until(first, 2*time.Minute), until(second, 2*time.Minute)})
	equal(t, "those of another issuer", must[[]store.SignOut](t)(one.ClaimSignOuts(t.Context(), stranger.Issuer, at(2*time.Hour), at(3*time.Hour), 10)), nil)
}

func signOutResults(t *testing.T, database Database) {
	s := open(t, database)
	request(t, s, signOut("1"))
	save := func(claimed, after store.SignOut) {
		t.Helper()
		if err := s.SaveSignOut(t.Context(), claimed, after); err != nil {
			t.Fatal(err)
		}
	}
	claimed := claim(t, s, 0, 1)[0]
	failed := until(claimed, 5*time.Minute)
	failed.Failures = 1
	save(claimed, failed)
	equal(t, "one that failed", kept(t, s, "1"), []store.SignOut{failed})

	save(claimed, until(claimed, time.Hour))
	equal(t, "one that fails when others may have it", kept(t, s, "1"), []store.SignOut{failed})

	again := claim(t, s, 5*time.Minute, 1)[0]
	refused := again
	refused.DueAt = time.Time{}
	save(again, refused)
	equal(t, "one that is refused", kept(t, s, "1"), []store.SignOut{refused})
	equal(t, "claims of it", claim(t, s, 100*time.Hour, 1), nil)
	if refused.Pending() || refused.Ended() || !again.Pending() {
		t.Error("one that is refused is pending, or has ended; or one that is claimed is not pending")
	}
	request(t, s, signOut("1"))
	equal(t, "one that was refused and is requested again", kept(t, s, "1"), []store.SignOut{until(refused, 0)})

	ended := until(claimed, 0)
	ended.DueAt, ended.EndedAt = time.Time{}, at(time.Second)
	save(claimed, ended)
	equal(t, "one that has ended when others may have it", kept(t, s, "1"), []store.SignOut{ended})
	save(again, failed)
	later := ended
	later.EndedAt = at(time.Hour)
	save(again, later)
	request(t, s, signOut("1"))
	equal(t, "one that has ended", kept(t, s, "1"), []store.SignOut{ended})
	equal(t, "pending", must[int64](t)(s.PendingSignOuts(t.Context(), ada.Issuer)), 0)
	if ended.Pending() || !ended.Ended() {
		t.Error("one that has ended is pending, or has not ended")
	}
}

func concurrentClaims(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	const sessions = 60
	var all []store.SignOut
	for i := range sessions {
		all = append(all, signOut(fmt.Sprint(i)))
	}
	request(t, one, all...)
	var mu sync.Mutex
	var wg sync.WaitGroup
	times := make(map[string]int)
	for i := range 8 {
		s := []store.Store{one, other}[i%2]
		wg.Go(func() {
			for {
				claimed, err := s.ClaimSignOuts(t.Context(), ada.Issuer, at(0), at(time.Minute), 3)
				if err != nil {
					t.Error(err)
				}
				if len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claimed {
					times[c.SessionID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range times {
		if n != 1 {
			t.Errorf("session %s was claimed %d times", id, n)
		}
	}
	// Those that another was claiming at that moment are left for the next time.
	if left := claim(t, one, 0, sessions); len(times)+len(left) != sessions {
		t.Errorf("%d were claimed, and %d are left; want %d", len(times), len(left), sessions)
	}
}
