// Package storetest holds every implementation of store.Store to what the
// interface says.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) func() store.Store { … })
//	}
package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// A Database opens one database, empty at first, as often as it is called. What
// it returns is for the suite to close.
type Database func() store.Store

// Run runs the suite. It asks for a new Database for each test; what goes wrong
// while one is opened is a fatal error of that test.
func Run(t *testing.T, newDatabase func(t *testing.T) Database) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Database){
		"a session comes back as it was seen":               sessionComesBack,
		"a session belongs to its subject":                  sessionOfAnotherSubject,
		"of two observations the later one counts":          laterObservationCounts,
		"sessions come in pages, each of them once":         sessionsInPages,
		"a view leaves out what it does not match":          viewsFilter,
		"a listing has what matches all of it":              listings,
		"a listing is in its order":                         listingsInOrder,
		"each service has its sighting of a session":        sightings,
		"of many services the latest are kept":              sightingsAreBounded,
		"readers are kept as they were heard of last":       readers,
		"sessions are in the order of bytes":                sessionsInByteOrder,
		"what many see at once of a session is merged":      concurrentSessions,
		"who reads while others revoke misses none":         slowRevocation,
		"a revocation comes back as it was made":            revocationComesBack,
		"revocations come in pages, in order":               revocationsInPages,
		"a listing of revocations has what matches all":     revocationListings,
		"the strongest revocation of each target is found":  strongest,
		"a sequence that was never given is noticed":        sequenceNeverGiven,
		"so is one whose row was pruned, after a restore":   sequenceOfPruned,
		"each database has an epoch of its own":             epoch,
		"expired sessions come in pages, in order":          expired,
		"an answer is kept with its revocations":            answers,
		"one of two answers to the same call is kept":       concurrentAnswers,
		"a sign-out is kept with its revocation":            signOuts,
		"who claims a sign-out has it alone for a while":    claims,
		"of two results of a sign-out an end counts":        signOutResults,
		"many at once claim each sign-out once":             concurrentClaims,
		"a stream comes back as it was changed":             streams,
		"there are no more streams than there may be":       streamsAreBounded,
		"who claims a stream has it alone for a while":      streamClaims,
		"a stream without news is not claimed":              streamsWithoutNews,
		"many at once change a stream one after the other":  concurrentStreams,
		"there is one signing key, also if many make one":   signingKeys,
		"a sequence is not given again after pruning":       sequenceIsNotReused,
		"revocations of many at once have distinct numbers": concurrentRevocations,
		"what is old is pruned and nothing else":            prune,
		"a time of day is kept that was believed":           clock,
		"what is old is pruned in batches":                  pruneInBatches,
		"what was saved is there when it is opened again":   survivesReopening,
		"two that have it open see what the other saves":    sharedByTwo,
		"a context that has ended saves nothing":            cancelledContext,
		"after closing nothing works, but closing does":     closed,
		"no text is taken for a command":                    hostileTexts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t))
		})
	}
}

// open opens the database until the test ends.
func open(t *testing.T, database Database) store.Store {
	t.Helper()
	s := database()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// start is when the tests take place. It has nanoseconds and a time zone, which
// do not come back.
var start = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.FixedZone("", 3600))

// at returns a time as it comes back.
func at(after time.Duration) time.Time {
	return start.Add(after).UTC().Truncate(time.Microsecond)
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// must returns the value of a call that cannot fail.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func survivesReopening(t *testing.T, database Database) {
	first := open(t, database)
	save(t, first, ada)
	saved := revoke(t, first, "sess_1")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, database)
	equal(t, "the session", named(t, second, ada), []store.Session{ada})
	equal(t, "the revocations", revocations(t, second), saved)
	equal(t, "the epoch", second.Epoch(), first.Epoch())
}

func epoch(t *testing.T, database Database) {
	s := open(t, database)
	equal(t, "the epoch for another process", open(t, database).Epoch(), s.Epoch())
	if s.Epoch() == [16]byte{} {
		t.Error("the epoch is zero")
	}
}

func sharedByTwo(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	saved := revoke(t, one, "sess_1")
	equal(t, "the revocations at the other", revocations(t, other), saved)
	saved = append(saved, revoke(t, other, "sess_2")...)
	equal(t, "the revocations at the one", revocations(t, one), saved)
}

func closed(t *testing.T, database Database) {
	s := open(t, database)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	failsEach(t, "a closed store", s)
}

// failsEach calls each method of a store that can do nothing.
func failsEach(t *testing.T, what string, s store.Store) {
	t.Helper()
	ctx := t.Context()
	_, saveSessions := s.SaveSessions(ctx, []store.Session{ada})
	_, sessions := s.Sessions(ctx, store.List(store.Everything()), 1)
	_, countSessions := s.CountSessions(ctx, store.List(store.Everything()))
	_, keyAt := s.KeyAt(ctx, store.List(store.Everything()), 1)
	_, saveRevocations := s.SaveRevocations(ctx, []store.Revocation{{Target: store.Target{Kind: "session"}}}, nil)
	_, revocations := s.Revocations(ctx, store.RevocationListing{}, 1)
	_, changes := s.Changes(ctx, store.Revocation{}, 1)
	_, strongest := s.Strongest(ctx, []store.Target{{Kind: "session"}}, at(0))
	_, sightings := s.Sightings(ctx, []store.Session{ada})
	_, expired := s.Expired(ctx, store.Session{}, at(0), 1)
	_, _, answer := s.Answer(ctx, store.Call{})
	_, signOuts := s.SignOuts(ctx, []store.SignOut{{Issuer: ada.Issuer}})
	_, claim := s.ClaimSignOuts(ctx, ada.Issuer, at(0), at(0), 1)
	saveSignOut := s.SaveSignOut(ctx, store.SignOut{}, store.SignOut{})
	_, pending := s.PendingSignOuts(ctx, ada.Issuer)
	saveReaders := s.SaveReaders(ctx, nil, at(0))
	_, readers := s.Readers(ctx)
	addStream := s.AddStream(ctx, store.Stream{ID: "1"}, 1, 1)
	_, streams := s.Streams(ctx)
	_, updateStream := s.UpdateStream(ctx, "1", func(*store.Stream) error { return nil })
	deleteStream := s.DeleteStream(ctx, "1")
	_, claimStreams := s.ClaimStreams(ctx, at(0), at(0))
	_, signingKeys := s.SigningKeys(ctx)
	addSigningKey := s.AddSigningKey(ctx, store.SigningKey{ID: "1"}, at(0), 1)
	_, clock := s.Clock(ctx)
	saveClock := s.SaveClock(ctx, store.Clock{}, store.Clock{})
	probe := s.Probe(ctx)
	_, prune := s.Prune(ctx, store.Age{}, 1)
	for method, err := range map[string]error{
		"SaveSessions": saveSessions, "Sessions": sessions, "CountSessions": countSessions, "KeyAt": keyAt, "Sightings": sightings, "SaveReaders": saveReaders, "Readers": readers, "SaveRevocations": saveRevocations,
		"Revocations": revocations, "Changes": changes, "Strongest": strongest, "Expired": expired, "Answer": answer, "Clock": clock, "SaveClock": saveClock, "Probe": probe, "Prune": prune,
		"SignOuts": signOuts, "ClaimSignOuts": claim, "SaveSignOut": saveSignOut, "PendingSignOuts": pending,
		"AddStream": addStream, "Streams": streams, "UpdateStream": updateStream, "DeleteStream": deleteStream, "ClaimStreams": claimStreams,
		"SigningKeys": signingKeys, "AddSigningKey": addSigningKey,
	} {
		if err == nil {
			t.Errorf("%s: %s succeeds", what, method)
		}
	}
}

func cancelledContext(t *testing.T, database Database) {
	s := open(t, database)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.SaveRevocations(ctx, []store.Revocation{{Target: store.Target{Kind: "session"}}}, nil); err == nil {
		t.Error("a revocation was acknowledged after its context had ended")
	}
	if _, err := s.SaveSessions(ctx, []store.Session{ada}); err == nil {
		t.Error("a session was saved after its context had ended")
	}
	equal(t, "revocations", revocations(t, s), nil)
	equal(t, "sessions", list(t, s, store.Everything()), nil)
}
