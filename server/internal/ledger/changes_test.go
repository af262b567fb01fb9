package ledger

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// save saves revocations of sessions with the numbers from one to another, as another
// process does.
func save(t *testing.T, db store.Store, from, to int) []store.Revocation {
	t.Helper()
	var rows []store.Revocation
	for i := from; i <= to; i++ {
		rows = append(rows, store.Revocation{
			Target:    store.Target{Kind: "session", Issuer: someIssuer, Value: strconv.Itoa(i)},
			CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		})
	}
	saved, err := db.SaveRevocations(t.Context(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func read(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// all returns the names of the changes until there are no more, and how many pages they
// were on.
func all(t *testing.T, cursor *Cursor, limit, size int) (names []string, pages int) {
	t.Helper()
	for {
		page, wait, err := cursor.Next(t.Context(), limit, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range page.Changes {
			names = append(names, change.GetRevoked().GetRevocationId())
		}
		switch {
		case len(page.Changes) > limit:
			t.Fatalf("%d changes; want %d at most", len(page.Changes), limit)
		case !page.Through.IsZero():
			return names, pages + 1
		case len(page.Changes) > 0:
			pages++
		default:
			<-wait
		}
	}
}

func numbers(from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

// Whether changes come from memory or from the store, each comes once, and in order.
func TestAFollowerMissesNoChange(t *testing.T) {
	t.Parallel()
	const kept, many = 100, 307
	l, db := idleLedger(t)
	l.changes.keep = kept
	saved := save(t, db, 1, many)
	for name, begin := range map[string]int{"from the beginning": 0, "from the middle": 150, "from what is kept": many - 10, "from the last": many} {
		for state, change := range map[string]func(){
			"when all are kept in the store": func() { l.changes.restart(); l.lastRead = store.Revocation{}; read(t, l) },
			"when nothing is kept in memory": func() { l.changes.restart(); l.changes.before = PlaceOf(saved[many-1]); l.changes.complete(time.Now()) },
		} {
			change()
			from := Place{}
			if begin > 0 {
				from = PlaceOf(saved[begin-1])
			}
			for _, ahead := range []bool{false, true} {
				if got, _ := all(t, l.Follow(l.Epoch(), from, ahead), 70, 1<<20); !slices.Equal(got, numbers(begin+1, many)) {
					t.Errorf("%s, %s, ahead %t: %d changes; want %d", name, state, ahead, len(got), many-begin)
				}
			}
		}
	}
	l.changes.restart()
	l.lastRead = store.Revocation{}
	for from := 1; from <= many; from += 10 { // the store has given all before
		l.changes.add(saved[from-1 : min(from+9, many)])
		if n := len(l.changes.kept); n > 2*kept || n < min(from, kept) {
			t.Errorf("of %d, %d are kept; want between %d and %d", from+9, n, kept, 2*kept)
		}
	}
}

// What has expired leaves holes, which hold nobody up.
func TestWhatWasPrunedHoldsNoFollowerUp(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 20)
	read(t, l)
	if _, err := db.Prune(t.Context(), store.Age{ExpiredBy: time.Now().Add(2 * time.Hour)}, 100); err != nil {
		t.Fatal(err)
	}
	if got, _ := all(t, l.Follow(l.Epoch(), PlaceOf(saved[4]), true), 100, 1<<20); !slices.Equal(got, numbers(6, 20)) {
		t.Errorf("what is kept in memory: %q; want all", got)
	}
	for what, restarted := range map[string]func(*Ledger){
		"a hub that has read what is left": func(l *Ledger) { read(t, l) },
		"a hub that keeps none": func(l *Ledger) {
			l.changes.before = PlaceOf(saved[19])
			l.changes.complete(time.Now())
		},
	} {
		l := newLedger(db, someConfig())
		restarted(l)
		for from, want := range map[Place][]string{{}: {"20"}, PlaceOf(saved[4]): {"20"}, PlaceOf(saved[18]): {"20"}, PlaceOf(saved[19]): nil} {
			cursor := l.Follow(l.Epoch(), from, true)
			if got, _ := all(t, cursor, 100, 1<<20); !slices.Equal(got, want) || cursor.place != PlaceOf(saved[19]) {
				t.Errorf("%s, after %v: %q, and then at %v; want %q, and the last place", what, from, got, cursor.place, want)
			}
		}
	}
	save(t, db, 21, 22)
	read(t, l)
	if got, _ := all(t, l.Follow(l.Epoch(), Place{}, true), 1, 1<<20); !slices.Equal(got, numbers(1, 22)) {
		t.Errorf("%q; want all that are kept in memory", got)
	}
}

func TestPagesOfChangesAreBounded(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	save(t, db, 1, 10)
	read(t, l)
	for name, test := range map[string]struct{ limit, size, pages int }{
		"ten at once":                 {10, 1 << 20, 1},
		"three at once":               {3, 1 << 20, 4},
		"two in size":                 {10, 20, 5},
		"one, though that is too big": {10, 1, 10},
	} {
		got, pages := all(t, l.Follow(l.Epoch(), Place{}, true), test.limit, test.size)
		if !slices.Equal(got, numbers(1, 10)) || pages != test.pages {
			t.Errorf("%s: %q on %d pages; want all on %d", name, got, pages, test.pages)
		}
	}
}

// A change is complete through the time at which the reading began that found no more.
func TestWhatWasReadIsCompleteThroughWhenThatBegan(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	now := time.Now()
	l.changes.now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	through := func() time.Time {
		t.Helper()
		page, _, err := l.Follow(l.Epoch(), l.changes.last(), true).Next(t.Context(), 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		return page.Through
	}
	if !through().IsZero() {
		t.Error("complete before anything was read")
	}
	read(t, l)
	if first := through(); !first.Equal(now) {
		t.Errorf("complete through %s; want when the reading began", first)
	}
	save(t, db, 1, 1)
	read(t, l)
	last := through()
	if !last.Equal(now) {
		t.Errorf("complete through %s; want when the last reading began, which found nothing", last)
	}
	db.fails = "Changes"
	if err := l.ReadRevocations(t.Context()); !errors.Is(err, errDiskFull) {
		t.Fatal(err)
	}
	if failed := through(); !failed.Equal(last) {
		t.Errorf("when reading fails, complete through %s; want as before", failed)
	}
}

func TestWhoWaitsHearsThatTheStoreFails(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	cursor := l.Follow(l.Epoch(), Place{}, false)
	page, wait, err := cursor.Next(t.Context(), 10, 1<<20)
	if err != nil || page.Failure != nil {
		t.Fatalf("%v, error %v; want to wait", page, err)
	}
	db.fails = "Changes"
	if err := l.ReadRevocations(t.Context()); !errors.Is(err, errDiskFull) {
		t.Fatal(err)
	}
	<-wait
	if page, _, err := cursor.Next(t.Context(), 10, 1<<20); err != nil || !errors.Is(page.Failure, errDiskFull) {
		t.Errorf("%v, error %v; want why nothing can be read", page, err)
	}
}

// TestAFollowerHearsThatItIsComplete has one that has every change, and has not heard so, be
// woken once the server knows.
func TestAFollowerHearsThatItIsComplete(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 2)
	l.changes.add(saved)
	l.lastRead = saved[1]
	cursor := l.Follow(l.Epoch(), Place{}, true)
	if page, _, err := cursor.Next(t.Context(), 10, 1<<20); err != nil || len(page.Changes) != 2 || !page.Through.IsZero() {
		t.Fatalf("%v, error %v; want two changes, and no word of being complete", page, err)
	}
	page, wait, err := cursor.Next(t.Context(), 10, 1<<20)
	if err != nil || len(page.Changes) > 0 || !page.Through.IsZero() {
		t.Fatalf("%v, error %v; want to wait", page, err)
	}
	read(t, l)
	<-wait
	if page, _, err := cursor.Next(t.Context(), 10, 1<<20); err != nil || page.Through.IsZero() {
		t.Errorf("%v, error %v; want it complete", page, err)
	}
}

// A hub that has not read as far as its follower has asks the store, and then claims no
// more than that had when it was asked.
func TestAFollowerThatIsAheadIsServedFromTheStore(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	read(t, l)
	place := PlaceOf(save(t, db, 1, 1)[0])
	save(t, db, 2, 4)
	cursor := l.Follow(l.Epoch(), place, true)
	began := time.Now()
	if got, pages := all(t, cursor, 2, 1<<20); !slices.Equal(got, numbers(2, 4)) || pages != 3 {
		t.Errorf("%q on %d pages; want what the store has, on two, and the word that this is all", got, pages)
	}
	_, fetched, err := cursor.Next(t.Context(), 10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	<-fetched
	page, wait, err := cursor.Next(t.Context(), 10, 1<<20)
	if err != nil || page.Through.Before(began) || wait == nil {
		t.Fatalf("%v, error %v; want it complete", page, err)
	}
	save(t, db, 5, 5)
	read(t, l)
	<-wait
	if page, err := next(t, cursor); err != nil || len(page.Changes) != 1 {
		t.Errorf("%v, error %v; want the one that was made then", page, err)
	}
}

func wantReason(t *testing.T, what string, err error, want errorv1.Reason) {
	t.Helper()
	if got, _ := rpcerror.ReasonOf(err); got != want {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

// next waits for changes or an error.
func next(t *testing.T, cursor *Cursor) (Page, error) {
	t.Helper()
	for {
		page, wait, err := cursor.Next(t.Context(), 10, 1<<20)
		if err != nil || len(page.Changes) > 0 || !page.Through.IsZero() {
			return page, err
		}
		<-wait
	}
}

// Half of the connections of the database at least are for those who revoke.
func TestFollowersLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	for concurrency, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 10: 5, 16: 8, 100: 8} {
		if got := storeReaders(concurrency); got != want {
			t.Errorf("of %d connections, followers have %d; want %d", concurrency, got, want)
		}
	}
	l, db := idleLedger(t)
	if got := cap(l.changes.readers); got != storeReaders(db.Concurrency()) || got >= db.Concurrency() {
		t.Errorf("%d connections of %d", got, db.Concurrency())
	}
}

func TestChangesWithLongTextsAreBounded(t *testing.T) {
	t.Parallel()
	c := newChanges(someChange, 1)
	text := strings.Repeat("x", 1<<20)
	for i := range 100 {
		c.add([]store.Revocation{{Sequence: int64(i + 1), Target: store.Target{Value: text}}})
		if n := len(c.kept); n > maxChangeBytes>>20 || n < min(i+1, maxChangeBytes>>21) {
			t.Fatalf("of %d that have a MiB each, %d are kept", i+1, n)
		}
	}
	if last := c.last().Sequence; last != 100 || c.before.Sequence != last-int64(len(c.kept)) || c.bytes != len(c.kept)<<20 {
		t.Errorf("%d are kept between %d and %d, with %d bytes", len(c.kept), c.before.Sequence, last, c.bytes)
	}
	c.add([]store.Revocation{{Sequence: 101, Target: store.Target{Value: strings.Repeat("x", maxChangeBytes+1)}}})
	if len(c.kept) > 0 || c.bytes != 0 || c.last().Sequence != 101 {
		t.Errorf("%d are kept; want one that is too long to be dropped", len(c.kept))
	}
}

// What was read ahead for a follower that does not come for it is dropped, and others have
// their turn. It misses nothing.
func TestWhatWasReadAheadIsNotKeptForAFollowerThatDoesNotCome(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 100)
	l.changes.before = PlaceOf(saved[99])
	l.changes.complete(time.Now())
	slow := l.Follow(l.Epoch(), Place{}, true)
	_, wait, err := slow.Next(t.Context(), 10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	<-wait
	if page, _, err := slow.Next(t.Context(), 10, 1<<20); err != nil || len(page.Changes) != 10 {
		t.Fatalf("%d changes, error %v; want 10", len(page.Changes), err)
	}
	for range cap(l.changes.readers) { // which it gives up
		l.changes.readers <- struct{}{}
	}
	if _, _, ended, _ := slow.fetching.next(); !ended {
		t.Error("the pages are kept")
	}
	for range cap(l.changes.readers) {
		<-l.changes.readers
	}
	if got, _ := all(t, slow, 10, 1<<20); !slices.Equal(got, numbers(11, 100)) {
		t.Errorf("%q; want the rest", got)
	}
}

// While all readers of the store are taken, a follower waits, and can do something else.
func TestAFewFollowersAtOnceAreServedFromTheStore(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 3)
	l.changes.before = PlaceOf(saved[2])
	l.changes.complete(time.Now())
	for range cap(l.changes.readers) {
		l.changes.readers <- struct{}{}
	}
	ctx, leave := context.WithCancel(t.Context())
	gone, waiting := l.Follow(l.Epoch(), Place{}, true), l.Follow(l.Epoch(), Place{}, true)
	_, left, err := gone.Next(ctx, 10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // heartbeats come between
		if page, _, err := waiting.Next(t.Context(), 10, 1<<20); err != nil || len(page.Changes) > 0 || page.Place != (Place{}) || !page.Through.IsZero() {
			t.Fatalf("%v, error %v; want nothing yet", page, err)
		}
	}
	leave()
	<-left
	if _, _, err := gone.Next(ctx, 10, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("a follower that has left: %v; want %v", err, context.Canceled)
	}
	<-l.changes.readers
	if got, _ := all(t, waiting, 10, 1<<20); !slices.Equal(got, numbers(1, 3)) {
		t.Errorf("%q; want all", got)
	}
}

func TestAStoreThatFailsIsTheAnswerToAFollower(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 3)
	l.changes.before = PlaceOf(saved[2])
	db.fails = "Changes"
	for name, from := range map[string]Place{"behind": {}, "ahead": {Sequence: 9, CreatedAt: 1}} {
		_, err := next(t, l.Follow(l.Epoch(), from, true))
		wantReason(t, name, err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	}
	for range cap(l.changes.readers) { // until none is left
		l.changes.readers <- struct{}{}
	}
}

// Followers are woken at once by the first of many changes, then a few times, and after
// the last.
func TestManyChangesWakeFollowersAFewTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChanges(someChange, 1)
		<-time.After(time.Minute)
		wakes := make(map[<-chan struct{}]bool)
		var last <-chan struct{}
		for i := range 1000 { // in one second
			_, _, read, err := c.after(c.last(), 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			wakes[read], last = true, read
			c.add([]store.Revocation{{Sequence: int64(i + 1)}})
			if i == 0 {
				<-read
			}
			<-time.After(time.Millisecond)
		}
		if want := int(time.Second/wakeInterval) + 1; len(wakes) != want {
			t.Errorf("%d wakes; want %d", len(wakes), want)
		}
		<-last
	})
}
