package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// someMax is how many events are kept.
const someMax = 256

// eventsAfter returns the events after a number, as TYPE session.
func eventsAfter(t *testing.T, l *Ledger, number uint64) (all []string) {
	t.Helper()
	for {
		events, added, err := l.Events().After(number)
		if err != nil {
			t.Fatal(err)
		}
		if added != nil {
			return all
		}
		for _, e := range events {
			id := e.After.ID
			if id == "" {
				id = e.Before.ID
			}
			all = append(all, strings.TrimPrefix(e.Type.String(), "SESSION_EVENT_TYPE_")+" "+id)
		}
		number += uint64(len(events))
	}
}

func someEvents(n int) []*Event {
	events := make([]*Event, n)
	for i := range events {
		events[i] = &Event{After: store.Session{ID: fmt.Sprint(i)}}
	}
	return events
}

func alwaysActive(store.Session) sessionv1.SessionState {
	return sessionv1.SessionState_SESSION_STATE_ACTIVE
}

func TestTheLatestEventsAreKept(t *testing.T) {
	t.Parallel()
	e := newEvents(someMax, alwaysActive)
	e.add(someEvents(1)...)
	if _, added, err := e.After(e.Last()); e.Last() != 0 || added == nil || err != nil {
		t.Fatalf("%d events are kept that nobody has a position before, %v", e.Last(), err)
	}
	e.add(someEvents(someMax + 7)...)
	for number, want := range map[uint64]error{0: ErrEventsLost, 6: ErrEventsLost, 7: nil, someMax + 7: nil, someMax + 8: ErrNoEvents} {
		if _, _, err := e.After(number); !errors.Is(err, want) {
			t.Errorf("after %d: %v; want %v", number, err, want)
		}
	}
	var got int
	for number := uint64(7); number < e.Last(); {
		events, _, err := e.After(number)
		if err != nil || len(events) == 0 || len(events) > eventsAtOnce {
			t.Fatalf("after %d: %d events, %v", number, len(events), err)
		}
		for _, event := range events {
			if number++; event.After.ID != fmt.Sprint(number-1) {
				t.Fatalf("event %d is of %s", number, event.After.ID)
			}
			got++
		}
	}
	if got != someMax || len(e.ring) != someMax {
		t.Errorf("%d events of %d; want %d", got, len(e.ring), someMax)
	}
	before := e.Last()
	e.lose()
	if _, _, err := e.After(before); !errors.Is(err, ErrEventsLost) {
		t.Errorf("after all were lost: %v; want %v", err, ErrEventsLost)
	}
	now := e.Last()
	e.add(someEvents(1)...)
	if events, _, err := e.After(now); err != nil || len(events) != 1 || events[0].After.ID != "0" {
		t.Errorf("the first after that: %v, %v", events, err)
	}
}

func TestLongEventsAreKeptForAShorterTime(t *testing.T) {
	t.Parallel()
	e := newEvents(someMax, alwaysActive)
	start := e.Last()
	long := strings.Repeat("x", 1<<20)
	for range 100 {
		e.add(&Event{After: store.Session{ID: long, UserAgent: long}})
	}
	if e.last-e.lost != 16 || e.bytes != maxEventBytes {
		t.Errorf("%d events of %d bytes are kept; want 16 of %d", e.last-e.lost, e.bytes, maxEventBytes)
	}
	if _, _, err := e.After(start); !errors.Is(err, ErrEventsLost) {
		t.Errorf("from the start: %v; want %v", err, ErrEventsLost)
	}
	if events, _, err := e.After(e.Last() - 16); err != nil || len(events) != 16 || slices.Contains(events, nil) {
		t.Errorf("the latest: %d, error %v", len(events), err)
	}
	e.add(someEvents(someMax)...)
	if e.last-e.lost != someMax || e.bytes > 4*someMax {
		t.Errorf("%d short events of %d bytes are kept; want %d of 4 bytes at most", e.last-e.lost, e.bytes, someMax)
	}
	e.lose()
	if kept := slices.IndexFunc(e.ring, func(e *Event) bool { return e != nil }); kept >= 0 || e.bytes != 0 {
		t.Errorf("after all were lost: one at %d, %d bytes", kept, e.bytes)
	}
}

func TestEventsWakeThoseWhoWait(t *testing.T) {
	t.Parallel()
	e := newEvents(someMax, alwaysActive)
	_, one, _ := e.After(e.Last())
	_, other, _ := e.After(e.Last())
	e.add() // nothing
	select {
	case <-one:
		t.Fatal("woken though there is nothing")
	default:
	}
	go e.add(someEvents(1)...)
	<-one
	<-other
	if events, _, err := e.After(0); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v; want 1", len(events), err)
	}
}

func TestEachProcessHasEventsOfItsOwn(t *testing.T) {
	t.Parallel()
	if one, other := newEvents(someMax, alwaysActive), newEvents(someMax, alwaysActive); one.Epoch() == other.Epoch() || one.Epoch() == [16]byte{} {
		t.Errorf("epochs %x and %x", one.Epoch(), other.Epoch())
	}
}

// A session goes through everything that there is an event of.
func TestTheEventsOfASession(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	now := time.Now().Truncate(time.Second)
	l.config.Now = func() time.Time { return now }
	l.expired.Token.ExpiresAt = now.Add(-l.maxSkew)
	since := l.Events().Last()
	pass := func(d time.Duration) {
		now = now.Add(d)
		l.Flush(t.Context())
		l.addExpired(t.Context(), now)
	}
	var last *auth.Identity
	call := func(organization string) {
		last = &auth.Identity{
			Issuer: someIssuer, Subject: "user_ada", SessionID: "sess_1", Organization: auth.Organization{ID: organization},
			IssuedAt: now.Local(), ExpiresAt: now.Local().Add(3 * time.Minute),
		}
		l.See(last, somePeer, someBrowser)
		pass(0)
	}
	var want []string
	wantEvents := func(what string, more ...string) {
		t.Helper()
		want = append(want, more...)
		if got := eventsAfter(t, l, since); !slices.Equal(got, want) {
			t.Fatalf("%s: %q; want %q", what, got, want)
		}
	}
	call("")
	wantEvents("its first call", "SEEN sess_1")
	call("")
	wantEvents("another call with the same token")
	call("org_acme")
	wantEvents("a call in an organization", "CHANGED sess_1")
	pass(time.Second)
	call("org_acme")
	wantEvents("a newer token", "RENEWED sess_1")
	pass(time.Minute)
	l.See(last, somePeer, someBrowser)
	pass(0)
	wantEvents("another call with that token, which is written")
	pass(time.Minute)
	l.See(last, "192.0.2.2:5000", someBrowser)
	pass(0)
	wantEvents("a call from elsewhere", "CHANGED sess_1")
	pass(time.Minute + 4*time.Second)
	wantEvents("the end of that token, within the skew")
	pass(time.Second)
	pass(time.Second)
	pass(0)
	wantEvents("the end of that token", "EXPIRED sess_1")
	call("")
	wantEvents("a new token", "RENEWED sess_1")
	if _, err := end(t.Context(), l, store.Session{Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}); err != nil {
		t.Fatal(err)
	}
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.addEnded(t.Context())
	wantEvents("its revocation", "REVOKED sess_1")
	pass(time.Hour)
	wantEvents("the end of a token that was revoked before")
	now = now.Add(retention)
	l.prune(t.Context())
	wantEvents("that it is forgotten", "REMOVED sess_1")
}

// A watcher lists the sessions again, rather than that the server holds them all.
func TestMoreRevokedSessionsThanEventsAreNotHeld(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	l.events.max = someMax
	since := l.Events().Last()
	sessionsOf(t, l, "user_ada", someMax+1)
	sessionsOf(t, l, "user_ben", someMax+1)
	organization := "org_acme"
	for _, test := range []struct {
		revoke revocation.Revocation
		lost   store.Filter
	}{
		{revocation.Revocation{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ben"}, store.Filter{Issuer: someIssuer, Subject: "user_ben"}},
		{revocation.Revocation{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: organization}, store.Filter{Issuer: someIssuer, Organization: &organization}},
		{revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: someIssuer}, store.Filter{Issuer: someIssuer}},
	} {
		everything, err := l.Prepare(Request{Revocation: test.revoke})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Revoke(t.Context(), byOtto, nil, everything); err != nil {
			t.Fatal(err)
		}
		if err := l.ReadRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.addEnded(t.Context())
		if _, _, err := l.Events().After(since); !errors.Is(err, ErrEventsLost) {
			t.Errorf("%v; want %v", err, ErrEventsLost)
		}
		since = l.Events().Last()
		last, _, err := l.Events().After(since - 1)
		if err != nil || len(last) != 1 || last[0].Lost == nil || !reflect.DeepEqual(*last[0].Lost, test.lost) {
			t.Errorf("by its %v: the last event is %+v, %v; want that those of %+v are lost", test.revoke.Kind, last, err, test.lost)
		}
	}
}

// More sessions expire at once than are read at once.
func TestEverySessionThatExpiresHasOneEvent(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	now := l.config.Now()
	since := l.Events().Last()
	sessions := make([]store.Session, BatchSize+1)
	for i := range sessions {
		sessions[i] = store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i), LastSeen: now, Token: store.Token{ExpiresAt: now.Add(time.Minute)}}
	}
	if _, err := l.store.SaveSessions(t.Context(), sessions); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{time.Minute, time.Hour, 2 * time.Hour} {
		l.addExpired(t.Context(), now.Add(after))
	}
	got := eventsAfter(t, l, since)
	slices.Sort(got)
	if len(got) != len(sessions) || len(slices.Compact(got)) != len(sessions) {
		t.Errorf("%d events; want one of each of %d sessions", len(got), len(sessions))
	}
}

// There is one event of each session that a revocation ends, whatever its target.
func TestThereIsOneEventForEachSessionThatIsEnded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, requests := range map[string][]revocation.Revocation{
		"by its session":                  {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by its session, twice":           {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}},
		"by its subject":                  {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}},
		"by its issuer":                   {{Kind: revocation.TargetIssuer, Issuer: someIssuer}},
		"by its client":                   {{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "client_1"}},
		"by its organization":             {{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_acme"}},
		"by its member":                   {{Kind: revocation.TargetMember, Issuer: someIssuer, ID: "org_acme", Subject: "user_ada"}},
		"by its organization and session": {{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_acme"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by its subject and session":      {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by nothing that it has": {
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ben"},
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_2"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ben"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: now.Add(-time.Hour)}, // and its token is newer
			{Kind: revocation.TargetToken, Issuer: someIssuer, ID: "sess_1"},
			{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "user_ada"},
			{Kind: revocation.TargetMachine, Issuer: someIssuer, ID: "user_ada"},
			{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_other"},
			{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_acme", Before: now.Add(-time.Hour)},
			{Kind: revocation.TargetMember, Issuer: someIssuer, ID: "org_acme", Subject: "user_ben"},
			{Kind: revocation.TargetMember, Issuer: someIssuer, ID: "org_other", Subject: "user_ada"},
		},
	} {
		l, _ := idleLedger(t)
		see(t, l, "sess_1")
		l.Flush(t.Context())
		since := l.Events().Last()
		var prepared []Request
		for _, r := range requests {
			request, err := l.Prepare(Request{Revocation: r})
			if err != nil {
				t.Fatal(err)
			}
			prepared = append(prepared, request)
		}
		if _, err := l.Revoke(t.Context(), byOtto, nil, prepared...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.ReadRevocations(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.addEnded(t.Context())
		}
		events := eventsAfter(t, l, since)
		want := 1
		if name == "by nothing that it has" {
			want = 0
		}
		if len(events) != want {
			t.Errorf("%s: %d events; want %d", name, len(events), want)
			continue
		}
		if want > 0 && events[0] != "REVOKED sess_1" {
			t.Errorf("%s: unexpected event %s", name, events[0])
		}
	}
}

// Who signs out a subject revokes its sessions too, one batch after the other.
func TestASignOutIsOneEventOfEachSession(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	since := l.Events().Last()
	const n = BatchSize + 1
	sessionsOf(t, l, "user_ada", n)
	db.revoking = func() {
		if err := l.ReadRevocations(t.Context()); err != nil {
			t.Error(err)
		}
		l.addEnded(t.Context())
	}
	if _, ended, err := l.EndSubject(t.Context(), byOtto, someIssuer, "user_ada", "", nil, nil); err != nil || ended != n {
		t.Fatalf("%d sessions, error %v; want %d", ended, err, n)
	}
	db.revoking()
	if events := eventsAfter(t, l, since); len(events) != n {
		t.Errorf("%d events; want %d", len(events), n)
	}
}
