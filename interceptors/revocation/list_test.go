package revocation_test

import (
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

func TestARevocationIsNeverWeakened(t *testing.T) {
	t.Parallel()
	subject := func(before time.Time, expires time.Duration) revocation.Revocation {
		return revocation.Revocation{Kind: revocation.TargetClient, Issuer: issuer, ID: "client_1", Before: before, Expires: now.Add(expires)}
	}
	strong := subject(now, 2*time.Hour)
	for name, weaker := range map[string]revocation.Revocation{
		"an earlier instant":                         subject(now.Add(-time.Hour), 2*time.Hour),
		"an earlier expiry":                          subject(now, time.Hour),
		"both":                                       subject(now.Add(-time.Hour), time.Hour),
		"an earlier instant with a later expiry":     subject(now.Add(-time.Hour), 3*time.Hour),
		"one that has expired":                       subject(now.Add(time.Hour), -time.Hour),
		"everything, for a time that is over sooner": subject(time.Time{}, time.Hour),
	} {
		for order, revocations := range map[string][]revocation.Revocation{
			"before it": {weaker, strong},
			"after it":  {strong, weaker},
		} {
			t.Run(name+", "+order, func(t *testing.T) {
				t.Parallel()
				at := now
				list := newList(&at)
				for _, r := range revocations {
					add(t, list, r)
				}
				assertRevoked(t, list, ada(), true)
				at = now.Add(2*time.Hour - time.Second)
				assertRevoked(t, list, ada(), true)
			})
		}
	}
}

func TestARevocationIsRemovedOnceNoTokenThatItConcernsIsValid(t *testing.T) {
	t.Parallel()
	session := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1"}
	for name, tt := range map[string]struct {
		retention, want time.Duration
		revoke          revocation.Revocation
	}{
		"by default after a day and the skew": {want: revocation.DefaultRetention, revoke: session},
		"as configured":                       {retention: time.Hour, want: time.Hour, revoke: session},
		"as late as the tokens that are yet to come": {
			retention: time.Hour, want: 3 * time.Hour,
			revoke: revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada", Before: now.Add(2 * time.Hour)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := now
			list := revocation.New(revocation.Config{Retention: tt.retention, Now: func() time.Time { return at }})
			prepared, err := list.Prepare(tt.revoke)
			if want := now.Add(tt.want); err != nil || !prepared.Expires.Equal(want) {
				t.Fatalf("Prepare = %+v, %v; want it to expire at %v", prepared, err, want)
			}
			add(t, list, tt.revoke)
			at = now.Add(tt.want - time.Microsecond)
			assertRevoked(t, list, ada(), true)
			at = now.Add(tt.want)
			assertRevoked(t, list, ada(), false)
			add(t, list, prepared) // kept elsewhere, and too old by now
			assertRevoked(t, list, ada(), false)
		})
	}
}

func TestWhatHasExpiredCanBeRevokedAgain(t *testing.T) {
	t.Parallel()
	at := now
	list := newList(&at)
	session := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1"}
	add(t, list, session)
	at = now.Add(revocation.DefaultRetention)
	assertRevoked(t, list, ada(), false)
	session.Before = at
	add(t, list, session) // and what it was before is not merged in
	id := ada()
	id.IssuedAt = at
	assertRevoked(t, list, id, false)
	assertRevoked(t, list, ada(), true)
}

// TestMemoryIsBounded revokes at a steady rate for ten times as long as a
// revocation is remembered.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	at := now
	list := newList(&at)
	const perDay = 1000
	for i := range 10 * perDay {
		at = at.Add(revocation.DefaultRetention / perDay)
		add(t, list, revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer + strconv.Itoa(i), ID: strconv.Itoa(i)})
	}
	if n := list.Len(); n > 4*perDay {
		t.Errorf("the list holds %d revocations; want at most %d", n, 4*perDay)
	}
}

func TestWatchersAreCalledOnChange(t *testing.T) {
	t.Parallel()
	list := fixed()
	called := 0
	stop := list.Watch(func() { called++ })
	session := func(id string) revocation.Revocation {
		return revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: id}
	}
	for step, tt := range []struct {
		add  []revocation.Revocation
		want int
	}{
		{[]revocation.Revocation{session("sess_1")}, 1},
		{[]revocation.Revocation{session("sess_1")}, 1}, // known already
		{nil, 1},
		{[]revocation.Revocation{session("sess_2"), session("sess_3")}, 2}, // together
	} {
		add(t, list, tt.add...)
		if called != tt.want {
			t.Errorf("step %d: called %d times; want %d", step, called, tt.want)
		}
	}
	stop()
	stop()
	add(t, list, session("sess_4"))
	if called != 2 {
		t.Error("called after stop")
	}
}

func TestAWatcherSeesTheRevocation(t *testing.T) {
	t.Parallel()
	list := fixed()
	var seen error
	stop := list.Watch(func() { seen = list.Revoked(ada()) })
	defer stop()
	add(t, list, revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1"})
	if reason, _ := auth.ReasonOf(seen); reason != auth.TokenRevoked {
		t.Errorf("the watcher saw %v; want %v", seen, auth.TokenRevoked)
	}
}

// TestWhatWasAddedIsSeenAtOnce reads while the table grows.
func TestWhatWasAddedIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	list := fixed()
	const writers, each = 4, 2000
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				id := strconv.Itoa(w*each + i)
				if err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: id}); err != nil {
					t.Error(err)
				}
				for _, known := range []string{id, strconv.Itoa(w * each)} {
					if list.Revoked(&auth.Identity{Issuer: issuer, SessionID: known}) == nil {
						t.Errorf("session %s is not revoked", known)
					}
				}
			}
		})
	}
	group.Wait()
	if list.Len() != writers*each {
		t.Errorf("the list holds %d; want %d", list.Len(), writers*each)
	}
}

func TestRevokedAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts every goroutine's
	list := fixed()
	id := ada()
	id.Organization.ID = "org_1"
	add(t, list,
		revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_2"},
		revocation.Revocation{Kind: revocation.TargetOrganization, Issuer: issuer, ID: "org_2", Before: now},
		revocation.Revocation{Kind: revocation.TargetMember, Issuer: issuer, ID: "org_1", Subject: "user_ben", Before: now},
	)
	assertRevoked(t, list, id, false)
	if n := testing.AllocsPerRun(100, func() { _ = list.Revoked(id) }); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}

// A revocation that expires now is skipped, and calls no watcher.
func TestAnExpiredRevocationIsSkipped(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := revocation.New(revocation.Config{Now: func() time.Time { return now }})
	called := 0
	list.Watch(func() { called++ })
	for expires, want := range map[time.Time]int{now.Add(-time.Second): 0, now: 0, now.Add(time.Microsecond): 1} {
		before, calledBefore := list.Len(), called
		if err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://issuer.test", ID: "sess_1", Expires: expires}); err != nil {
			t.Fatal(err)
		}
		if list.Len()-before != want || called-calledBefore != want {
			t.Errorf("expires at %v: %d added, %d called; want %d", expires, list.Len()-before, called-calledBefore, want)
		}
	}
}

func TestAllRevocationsCanBeStoredAndAddedAgain(t *testing.T) {
	t.Parallel()
	at := now
	list := newList(&at)
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	want := map[revocation.Revocation]bool{
		{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1", AllTokens: true, Expires: now.Add(time.Hour)}:                      true,
		{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1", Subject: "user_ada", Before: now, Expires: now.Add(2 * time.Hour)}: true,
		{Kind: revocation.TargetOrganization, Issuer: issuer, ID: "org_1", Before: now, Expires: now.Add(time.Hour)}:                      true,
		{Kind: revocation.TargetMember, Issuer: issuer, ID: "org_1", Subject: "user_ada", AllTokens: true, Expires: never}:                true,
		{Kind: revocation.TargetMachine, Issuer: issuer, ID: "mch_1", AllTokens: true, Expires: never}:                                    true,
		{Kind: revocation.TargetIssuer, Issuer: issuer, Before: now, Expires: now.Add(time.Hour)}:                                         true,
	}
	for r := range want {
		add(t, list, r)
	}
	add(t, list, revocation.Revocation{Kind: revocation.TargetToken, Issuer: issuer, ID: "jti_1", Expires: now.Add(time.Minute)})
	at = now.Add(time.Minute) // and the token's has expired
	got := make(map[revocation.Revocation]bool)
	for r := range list.All() {
		r.Expires = r.Expires.UTC()
		if !r.Before.IsZero() {
			r.Before = r.Before.UTC()
		}
		got[r] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("All = %v; want %v", got, want)
	}
	again := newList(&at)
	for r := range list.All() {
		add(t, again, r)
	}
	for range again.All() {
		break // and asks for no more
	}
	at = at.AddDate(5000, 0, 0)
	assertRevoked(t, again, &auth.Identity{Issuer: issuer, Kind: auth.KindMachine, Subject: "mch_1", IssuedAt: at}, true)
}
