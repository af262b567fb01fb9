package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A standby has no more than it has received.
type standby struct{ store.Store }

func (s standby) Changes(ctx context.Context, after store.Revocation, limit int) ([]store.Revocation, error) {
	page, err := s.Store.Changes(ctx, after, limit)
	if err == nil && len(page) == 0 {
		err = store.ErrStandby
	}
	return page, err
}

func TestAHubOnAStandbyClaimsNothing(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	saved := save(t, db, 1, 2)
	primary := db.Store
	db.Store = standby{primary}
	read(t, l)
	last := PlaceOf(saved[1])
	if page, _, err := l.Follow(l.Epoch(), last, true).Next(t.Context(), 10, 1<<20); err != nil || !page.Through.IsZero() || !errors.Is(page.Failure, store.ErrStandby) {
		t.Errorf("%v, error %v; want no word of being complete, and why", page, err)
	}
	if l.Database() != "read_only" || !strings.Contains(log.String(), "target_session_attrs") {
		t.Errorf("the database is %s; the log has %s", l.Database(), log)
	}
	db.Store = primary
	read(t, l)
	if page, err := next(t, l.Follow(l.Epoch(), last, true)); err != nil || page.Through.IsZero() || page.Failure != nil {
		t.Errorf("on the primary: %v, error %v; want it complete", page, err)
	}
}

func TestAPlaceThatTheDatabaseHasNotGivenIsOfAnotherEpoch(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	saved := save(t, db, 1, 10)
	read(t, l)
	other := func(p Place) Place { return Place{p.Sequence, p.CreatedAt + 1} }
	for name, test := range map[string]struct {
		before int // what is kept in memory begins after
		place  Place
	}{
		"ahead":                          {0, Place{11, 1}},
		"far ahead":                      {0, Place{1<<63 - 1, 1}},
		"in memory":                      {0, other(PlaceOf(saved[4]))},
		"the last":                       {0, other(PlaceOf(saved[9]))},
		"in the store":                   {8, other(PlaceOf(saved[4]))},
		"the last that is not in memory": {8, other(PlaceOf(saved[7]))},
	} {
		l.changes.restart()
		if l.lastRead = (store.Revocation{}); test.before > 0 {
			l.lastRead = saved[test.before-1]
			l.changes.before = PlaceOf(l.lastRead)
		}
		read(t, l)
		_, err := next(t, l.Follow(l.Epoch(), test.place, true))
		wantReason(t, name, err, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
}

// A backupOf a database has its epoch.
type backupOf struct {
	store.Store

	epoch [16]byte
}

func (b backupOf) Epoch() [16]byte { return b.epoch }

// A database that was restored from a backup is read again from the beginning. Followers
// that have more than it start again; what was revoked stays revoked.
func TestADatabaseThatWasRestoredIsReadAgain(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	saved := save(t, db, 1, 3)
	read(t, l)
	ahead, within := l.Follow(l.Epoch(), PlaceOf(saved[2]), true), l.Follow(l.Epoch(), PlaceOf(saved[0]), true)
	backup, original := openStore(t, t.TempDir()), db.Store
	t.Cleanup(func() { _ = original.Close() })
	if _, err := backup.SaveRevocations(t.Context(), saved[:1], nil); err != nil {
		t.Fatal(err)
	}
	db.Store = backupOf{backup, original.Epoch()}
	read(t, l)
	if _, err := next(t, ahead); err == nil {
		t.Error("a follower that is ahead goes on")
	} else {
		wantReason(t, "ahead", err, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	save(t, db, 4, 4)
	read(t, l)
	if page, err := next(t, within); err != nil || len(page.Changes) != 1 || page.Changes[0].GetRevoked().GetRevocationId() != "4" {
		t.Errorf("within: %v, error %v; want what has come since", page, err)
	}
	if page, err := next(t, l.Follow(l.Epoch(), Place{}, true)); err != nil || !page.Through.IsZero() {
		t.Errorf("from the beginning: complete through %v, error %v; want nothing claimed while the database lacks something", page.Through, err)
	}
	if !l.giveBack(t.Context()) {
		t.Fatal("nothing is given back")
	}
	read(t, l)
	got, _ := all(t, l.Follow(l.Epoch(), Place{}, true), 10, 1<<20)
	if slices.Sort(got); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("from the beginning: %q; want what the database has, and what it has back", got)
	}
	if l.revoked.Len() != 4 {
		t.Errorf("%d are revoked; want 4", l.revoked.Len())
	}
	if !strings.Contains(log.String(), "it was restored from a backup") {
		t.Errorf("the log has %s", log)
	}
}
