package transmitter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/ostiary/ostiary/server/internal/store"
)

// another returns a signer that has read nothing yet, as that of another server.
func (b *bench) another() *signer { return &signer{store: b.db, now: b.now} }

// signed returns by which key a signer signs.
func (b *bench) signed(s *signer) string {
	b.t.Helper()
	token, err := s.sign(b.t.Context(), &claims{ID: "1"})
	if err != nil {
		b.t.Fatal(err)
	}
	set, err := s.published(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := jws.Verify([]byte(token), jws.WithKeySet(set)); err != nil {
		b.t.Fatal(err)
	}
	message, err := jws.Parse([]byte(token))
	if err != nil {
		b.t.Fatal(err)
	}
	header := message.Signatures()[0].ProtectedHeaders()
	id, _ := header.KeyID()
	algorithm, _ := header.Algorithm()
	if kind, _ := header.Type(); kind != "secevent+jwt" || algorithm.String() != "RS256" {
		b.t.Errorf("typ %s, alg %s", kind, algorithm)
	}
	return id
}

func (b *bench) keyIDs() (ids []string) {
	b.t.Helper()
	keys, err := b.db.SigningKeys(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, key := range keys {
		ids = append(ids, key.ID)
	}
	return ids
}

func TestServersSignWithOneKeyAndTheNextIsPublishedADayBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var wg sync.WaitGroup
	first := make([]string, 3)
	for i := range first {
		wg.Go(func() { first[i] = b.signed(b.another()) })
	}
	wg.Wait()
	if one := b.keyIDs(); len(one) != 1 || slices.ContainsFunc(first, func(id string) bool { return id != one[0] }) {
		t.Fatalf("signed with %q; kept are %q", first, one)
	}
	b.advance(rotateAfter - time.Second)
	b.signed(b.another())
	if got := len(b.keyIDs()); got != 1 {
		t.Fatalf("%d keys before it is time", got)
	}
	b.advance(time.Second)
	if got := b.signed(b.another()); got != first[0] {
		t.Error("the new key signs at once")
	}
	ids := b.keyIDs()
	if len(ids) != 2 || ids[1] != first[0] {
		t.Fatalf("keys %q; want a new one before %s", ids, first[0])
	}
	b.advance(publishFor - time.Second)
	if got := b.signed(b.another()); got != first[0] {
		t.Error("the new key signs too early")
	}
	b.advance(time.Second)
	if got := b.signed(b.another()); got != ids[0] {
		t.Error("the new key does not sign after a day")
	}
	for range keptKeys {
		b.advance(rotateAfter)
		b.signed(b.another())
	}
	if left := b.keyIDs(); len(left) != keptKeys || slices.Contains(left, first[0]) {
		t.Errorf("keys %q; want the latest %d", left, keptKeys)
	}
}

// noStore fails.
type noStore struct {
	store.Store

	asked int
}

func (s *noStore) SigningKeys(context.Context) ([]store.SigningKey, error) {
	s.asked++
	return nil, errors.New("no")
}

func TestKeysThatAreKnownSignWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.another()
	before := b.signed(s)
	failing := &noStore{Store: b.db}
	s.store, s.next = failing, time.Time{}
	if got := b.signed(s); got != before {
		t.Errorf("signed by %s; want %s", got, before)
	}
	b.signed(s)
	if failing.asked != 1 {
		t.Errorf("a store that fails was asked %d times within a moment; want once", failing.asked)
	}
	failing.asked = 0
	cold := &signer{store: failing, now: b.now}
	for range 2 {
		if _, err := cold.sign(t.Context(), &claims{}); err == nil || failing.asked != 1 {
			t.Errorf("without a key: %v, and the store was asked %d times; want an error, and once", err, failing.asked)
		}
	}
}
