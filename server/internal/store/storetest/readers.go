package storetest

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func readers(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	save := func(s store.Store, forget time.Duration, all ...store.Reader) {
		t.Helper()
		if err := s.SaveReaders(t.Context(), all, at(forget)); err != nil {
			t.Fatal(err)
		}
	}
	server := store.Reader{InstanceID: "server-1", Confirmed: 7, HeardAt: at(time.Second)}
	billing := store.Reader{Service: "billing", InstanceID: "b", Confirmed: -1, HeardAt: at(2 * time.Second)}
	shipping := store.Reader{Service: "shipping", InstanceID: "b", Confirmed: 1 << 40, HeardAt: at(3 * time.Second)}
	save(one, 0, shipping, server, billing)
	equal(t, "at the other", must[[]store.Reader](t)(other.Readers(t.Context())), []store.Reader{server, billing, shipping})

	late := billing
	late.Confirmed, late.HeardAt = 5, at(time.Second)
	save(other, 0, late)
	equal(t, "after one that was heard of before", must[[]store.Reader](t)(one.Readers(t.Context())), []store.Reader{server, billing, shipping})
	billing.Confirmed, billing.HeardAt = 9, at(4*time.Second)
	save(other, 0, billing)
	equal(t, "after one that was heard of later", must[[]store.Reader](t)(one.Readers(t.Context())), []store.Reader{server, billing, shipping})
	save(other, 3*time.Second)
	equal(t, "after some were forgotten", must[[]store.Reader](t)(one.Readers(t.Context())), []store.Reader{billing, shipping})
}
