package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// stream is one on which events are sent at once.
func stream(id string) store.Stream {
	return store.Stream{
		ID: id, CreatedAt: at(0), Owner: store.StreamOwner{Issuer: ada.Issuer, Subject: "receiver"}, Audience: "receiver",
		Push: true, Endpoint: "https://receiver.example.com/'; --", Authorization: "Bearer \x00", Events: []string{"https://example.com/event"},
		Status: store.StreamEnabled, DueAt: at(0),
	}
}

func add(t *testing.T, s store.Store, streams ...store.Stream) {
	t.Helper()
	for _, one := range streams {
		if err := s.AddStream(t.Context(), one, 100, 100); err != nil {
			t.Fatal(err)
		}
	}
}

// update changes a stream as a test needs it.
func update(t *testing.T, s store.Store, id string, change func(*store.Stream)) {
	t.Helper()
	must[store.Stream](t)(s.UpdateStream(t.Context(), id, func(one *store.Stream) error {
		change(one)
		return nil
	}))
}

// claimAll returns the IDs of the streams that are claimed for a minute.
func claimAll(t *testing.T, s store.Store, now time.Duration) (ids []string) {
	t.Helper()
	for _, one := range must[[]store.Stream](t)(s.ClaimStreams(t.Context(), at(now), at(now+time.Minute))) {
		if !one.DueAt.Equal(at(now + time.Minute)) {
			t.Errorf("stream %s is due at %v; want a minute later", one.ID, one.DueAt)
		}
		ids = append(ids, one.ID)
	}
	return ids
}

func streams(t *testing.T, database Database) {
	s := open(t, database)
	equal(t, "of none", must[[]store.Stream](t)(s.Streams(t.Context())), nil)
	one, two, three := stream("one"), stream("two"), stream("Three")
	two.Push, two.Endpoint, two.Authorization, two.Events, two.DueAt = false, "", "", nil, time.Time{}
	three.Events = []string{}
	add(t, s, two, one, three)
	equal(t, "the streams", must[[]store.Stream](t)(s.Streams(t.Context())), []store.Stream{three, one, two})

	changed := one
	changed.Description, changed.Status, changed.StatusReason = "Ada's", store.StreamPaused, "so"
	changed.Sequence, changed.SequenceAt, changed.Missed, changed.Refused = 7, at(time.Hour), 3, 2
	changed.Verification = store.Verification{ID: "v", State: "s\"\x00", At: at(time.Minute)}
	changed.Failures, changed.FailingSince, changed.LastError = 4, at(time.Second), "it answered 500"
	given := changed
	given.FailingSince, given.DueAt = start.Add(time.Second), at(time.Hour) // which a paused stream does not keep
	update(t, s, "one", func(one *store.Stream) { *one = given })
	changed.DueAt = time.Time{}
	equal(t, "the changed stream", must[[]store.Stream](t)(s.Streams(t.Context())), []store.Stream{three, changed, two})

	refused := errors.New("no")
	if _, err := s.UpdateStream(t.Context(), "one", func(one *store.Stream) error {
		one.Description = "never"
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("a change that fails: %v; want its error", err)
	}
	if _, err := s.UpdateStream(t.Context(), "none", func(*store.Stream) error { return nil }); !errors.Is(err, store.ErrNoStream) {
		t.Errorf("a change of none: %v; want %v", err, store.ErrNoStream)
	}
	for range 2 {
		if err := s.DeleteStream(t.Context(), "two"); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "what is left", must[[]store.Stream](t)(s.Streams(t.Context())), []store.Stream{three, changed})
}

func streamsAreBounded(t *testing.T, database Database) {
	s := open(t, database)
	add(t, s, stream("1"), stream("2"))
	other := stream("3")
	other.Owner.Subject = "another"
	for what, err := range map[string]error{
		"one more of its owner":   s.AddStream(t.Context(), stream("3"), 100, 2),
		"one more of all":         s.AddStream(t.Context(), other, 2, 2),
		"one more in an instance": open(t, database).AddStream(t.Context(), stream("3"), 100, 2),
	} {
		if !errors.Is(err, store.ErrTooManyStreams) {
			t.Errorf("%s: %v; want %v", what, err, store.ErrTooManyStreams)
		}
	}
	if err := s.AddStream(t.Context(), other, 3, 2); err != nil {
		t.Errorf("the first of another owner: %v", err)
	}
}

func streamClaims(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	revoke(t, one, "sess_1")
	late := stream("late")
	late.DueAt = at(time.Hour)
	add(t, one, stream("1"), late)
	equal(t, "what is due", claimAll(t, one, 0), []string{"1"})
	equal(t, "what the other gets", claimAll(t, other, 0), nil)
	equal(t, "just before the claim ends", claimAll(t, other, time.Minute-time.Microsecond), nil)
	equal(t, "when the claim has ended", claimAll(t, other, time.Minute), []string{"1"})
	update(t, one, "1", func(s *store.Stream) { s.DueAt = at(time.Second) })
	equal(t, "when it was given back", claimAll(t, one, time.Second), []string{"1"})
}

func streamsWithoutNews(t *testing.T, database Database) {
	s := open(t, database)
	fetched, paused := stream("fetched"), stream("paused")
	fetched.Push, paused.Status = false, store.StreamPaused
	add(t, s, stream("1"), fetched, paused)
	equal(t, "before the first revocation", claimAll(t, s, 0), nil)
	for id := range map[string]bool{"1": true, "fetched": true, "paused": true} {
		update(t, s, id, func(one *store.Stream) { one.Verification.ID = "v" })
	}
	equal(t, "with a verification", claimAll(t, s, 0), []string{"1"})
	update(t, s, "1", func(one *store.Stream) { one.Verification.ID = "" })
	equal(t, "without it", claimAll(t, s, time.Hour), nil)
	saved := revoke(t, s, "sess_1")
	equal(t, "with a revocation", claimAll(t, s, time.Hour), []string{"1"})
	update(t, s, "1", func(one *store.Stream) { one.Sequence = saved[0].Sequence })
	equal(t, "when that was sent", claimAll(t, s, 2*time.Hour), nil)
	update(t, s, "paused", func(one *store.Stream) { one.Status, one.DueAt = store.StreamEnabled, at(0) })
	equal(t, "one that goes on", claimAll(t, s, 2*time.Hour), []string{"paused"})
}

func concurrentStreams(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	add(t, one, stream("1"))
	var wg sync.WaitGroup
	for i := range 8 {
		s := []store.Store{one, other}[i%2]
		wg.Go(func() {
			for range 5 {
				if _, err := s.UpdateStream(t.Context(), "1", func(s *store.Stream) error {
					s.Missed++
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "the changes", must[[]store.Stream](t)(one.Streams(t.Context()))[0].Missed, 40)
}

func signingKeys(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	equal(t, "at first", must[[]store.SigningKey](t)(one.SigningKeys(t.Context())), nil)
	key := func(id string, made time.Duration) store.SigningKey {
		return store.SigningKey{ID: id, Private: []byte{0, 1, id[0]}, CreatedAt: at(made)}
	}
	var wg sync.WaitGroup
	for i := range 6 {
		s := []store.Store{one, other}[i%2]
		wg.Go(func() {
			if err := s.AddSigningKey(t.Context(), key(fmt.Sprint(i), 0), at(-time.Hour), 2); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := must[[]store.SigningKey](t)(other.SigningKeys(t.Context()))
	if len(first) != 1 {
		t.Fatalf("%d keys; want 1", len(first))
	}
	for _, made := range []time.Duration{time.Hour, 2 * time.Hour} {
		if err := one.AddSigningKey(t.Context(), key(made.String(), made), at(made-time.Second), 2); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "the latest two", must[[]store.SigningKey](t)(other.SigningKeys(t.Context())), []store.SigningKey{key("2h0m0s", 2*time.Hour), key("1h0m0s", time.Hour)})
}
