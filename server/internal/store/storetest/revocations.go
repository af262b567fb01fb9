package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// revoke revokes sessions for a day.
func revoke(t *testing.T, s store.Store, ids ...string) []store.Revocation {
	t.Helper()
	var batch []store.Revocation
	for _, id := range ids {
		batch = append(batch, store.Revocation{
			Kind: "session", Issuer: ada.Issuer, Value: id, CreatedAt: at(0), ExpiresAt: at(24 * time.Hour),
		})
	}
	return must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), batch))
}

// revocations returns all of them.
func revocations(t *testing.T, s store.Store) []store.Revocation {
	t.Helper()
	return must[[]store.Revocation](t)(s.Revocations(t.Context(), 0, 10_000))
}

func revocationComesBack(t *testing.T, database Database) {
	s := open(t, database)
	given := []store.Revocation{
		{
			Kind: "subject", Issuer: ada.Issuer, Value: "user_ada", IssuedBefore: at(time.Hour), ExpiresAt: at(25 * time.Hour),
			CreatedAt: at(time.Hour), By: store.Party{Issuer: ben.Issuer, Subject: "user_ben", Actor: "user_support"},
			Cause: "the phone was lost; 'déjà vu' -- 🚪",
		},
		{Kind: "session", Issuer: stranger.Issuer, Value: "sess_1", Subject: "user_ada", ExpiresAt: at(time.Hour)},
		{Kind: "issuer", Issuer: stranger.Issuer, ExpiresAt: at(time.Hour)},
	}
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), given))
	equal(t, "the revocations", revocations(t, s), saved)
	for i := range saved {
		if given[i].Sequence != 0 || saved[i].Sequence <= 0 {
			t.Errorf("sequence %d became %d; want it only in what is returned", given[i].Sequence, saved[i].Sequence)
		}
		saved[i].Sequence = 0
	}
	equal(t, "what was made of those given", saved, given)
}

func revocationsInPages(t *testing.T, database Database) {
	s := open(t, database)
	var want []store.Revocation
	for i := range 5 {
		want = append(want, revoke(t, s, fmt.Sprint(i), fmt.Sprint(i, "again"))...)
	}
	for _, limit := range []int{1, 3, 10, 11} {
		var got []store.Revocation
		for after := int64(0); ; after = got[len(got)-1].Sequence {
			page := must[[]store.Revocation](t)(s.Revocations(t.Context(), after, limit))
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		equal(t, fmt.Sprintf("pages of %d", limit), got, want)
	}
}

func revokedUntil(t *testing.T, database Database) {
	s := open(t, database)
	must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_1", ExpiresAt: at(2 * time.Hour)},
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_1", ExpiresAt: at(time.Hour)},
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_1", ExpiresAt: at(5 * time.Hour), IssuedBefore: at(0)},
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_2", ExpiresAt: at(3 * time.Hour)},
		{Kind: "client", Issuer: ada.Issuer, Value: "sess_1", ExpiresAt: at(4 * time.Hour)},
		{Kind: "session", Issuer: stranger.Issuer, Value: "sess_1", ExpiresAt: at(6 * time.Hour)},
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_1", Subject: "user_ada", ExpiresAt: at(7 * time.Hour)},
		{Kind: "session", Issuer: ada.Issuer, Value: "sess_3", Subject: "user_ada", ExpiresAt: at(7 * time.Hour)},
	}))
	for name, want := range map[[4]string]time.Time{
		{"session", ada.Issuer, "sess_1", ""}:         at(2 * time.Hour),
		{"session", ada.Issuer, "sess_1", "user_ada"}: at(7 * time.Hour),
		{"session", ada.Issuer, "sess_1", "user_ben"}: at(2 * time.Hour),
		{"session", ada.Issuer, "sess_2", ""}:         at(3 * time.Hour),
		{"session", ada.Issuer, "sess_2", "user_ada"}: at(3 * time.Hour),
		{"session", ada.Issuer, "sess_3", ""}:         {},
		{"session", ada.Issuer, "sess_3", "user_ben"}: {},
		{"client", ada.Issuer, "sess_1", ""}:          at(4 * time.Hour),
		{"session", stranger.Issuer, "sess_1", ""}:    at(6 * time.Hour),
		{"session", ada.Issuer, "SESS_1", ""}:         {},
		{"session", ada.Issuer, "", ""}:               {},
		{"subject", ada.Issuer, "sess_1", ""}:         {},
	} {
		given := store.Revocation{Kind: name[0], Issuer: name[1], Value: name[2], Subject: name[3]}
		equal(t, fmt.Sprint(name), must[time.Time](t)(s.RevokedUntil(t.Context(), given)), want)
	}
}

func sequenceIsNotReused(t *testing.T, database Database) {
	s := open(t, database)
	last := revoke(t, s, "sess_1", "sess_2")[1].Sequence
	must[store.Pruned](t)(s.Prune(t.Context(), at(0), at(48*time.Hour), 100))
	if next := revoke(t, s, "sess_3")[0].Sequence; next <= last {
		t.Errorf("sequence %d after %d, though that was given before", next, last)
	}
}

func concurrentRevocations(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	const writers, each = 8, 5
	var mu sync.Mutex
	var want []store.Revocation
	var wg sync.WaitGroup
	for w := range writers {
		s := []store.Store{one, other}[w%2]
		wg.Go(func() {
			for i := range each {
				saved, err := s.SaveRevocations(t.Context(), []store.Revocation{{
					Kind: "session", Issuer: ada.Issuer, Value: fmt.Sprint(w, i), ExpiresAt: at(time.Hour),
				}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want = append(want, saved...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(want, func(a, b store.Revocation) int { return int(a.Sequence - b.Sequence) })
	equal(t, "the revocations", revocations(t, one), want)
}

func prune(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada, ben, stranger) // last seen at an hour, a minute and 0
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		{Kind: "session", Value: "expired", ExpiresAt: at(time.Minute)},
		{Kind: "session", Value: "expires now", ExpiresAt: at(time.Hour)},
		{Kind: "session", Value: "valid", ExpiresAt: at(time.Hour + time.Microsecond)},
	}))
	equal(t, "pruned", must[store.Pruned](t)(s.Prune(t.Context(), ben.LastSeen, at(time.Hour), 100)), store.Pruned{Sessions: 1, Revocations: 2})
	equal(t, "sessions", list(t, s, store.Everything()), []store.Session{ada, ben})
	equal(t, "revocations", revocations(t, s), saved[2:])
	equal(t, "pruned again", must[store.Pruned](t)(s.Prune(t.Context(), ben.LastSeen, at(time.Hour), 100)), store.Pruned{})
}

func pruneInBatches(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada, ben, stranger)
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		{Kind: "session", Value: "expires last", ExpiresAt: at(time.Hour)},
		{Kind: "session", Value: "expires first", ExpiresAt: at(time.Minute)},
	}))
	prune := func() store.Pruned {
		return must[store.Pruned](t)(s.Prune(t.Context(), at(24*time.Hour), at(24*time.Hour), 1))
	}
	equal(t, "pruned", prune(), store.Pruned{Sessions: 1, Revocations: 1})
	equal(t, "sessions", list(t, s, store.Everything()), []store.Session{ada, ben})
	equal(t, "revocations", revocations(t, s), saved[:1])
	equal(t, "pruned then", prune(), store.Pruned{Sessions: 1, Revocations: 1})
	equal(t, "pruned in the end", prune(), store.Pruned{Sessions: 1})
}
