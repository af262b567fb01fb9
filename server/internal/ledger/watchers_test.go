package ledger

import (
	"reflect"
	"testing"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// Anybody with a token may watch, with many streams.
func TestAWatcherCostsLittle(t *testing.T) {
	t.Parallel()
	var w watchers
	events, leave := w.join(func(store.Session) bool { return true })
	defer leave()
	if room := cap(events) * int(reflect.TypeOf(events).Elem().Size()); room > 4<<10 {
		t.Errorf("room for its events takes %d bytes; want no more than 4 KiB", room)
	}
}

func TestAWatcherThatFallsBehindIsRemoved(t *testing.T) {
	t.Parallel()
	var w watchers
	slow, leave := w.join(func(s store.Session) bool { return s.ID == "sess_1" })
	defer leave()
	for range maxUnread {
		w.send(Event{Session: store.Session{ID: "sess_1"}})
		w.send(Event{Session: store.Session{ID: "sess_2"}})
	}
	if w.none() {
		t.Fatal("it was removed though it can still hold everything")
	}
	w.send(Event{Session: store.Session{ID: "sess_1"}})
	if !w.none() {
		t.Error("it still receives events, though it has missed some")
	}
	got := 0
	for e := range slow { // closed, behind what it held
		if e.Session.ID != "sess_1" {
			t.Errorf("it received %s", e.Session.ID)
		}
		got++
	}
	if got != maxUnread {
		t.Errorf("it received %d events; want %d", got, maxUnread)
	}
}

// Watchers receive each session that a revocation ends once, whatever its target.
func TestAWatcherGetsOneEventForEachSessionThatIsEnded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, requests := range map[string][]revocation.Revocation{
		"by its session":             {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by its session, twice":      {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}},
		"by its subject":             {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}},
		"by its issuer":              {{Kind: revocation.TargetIssuer, Issuer: someIssuer}},
		"by its subject and session": {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by nothing that it has": {
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ben"},
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_2"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ben"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: now.Add(-time.Hour)}, // and its token is newer
			{Kind: revocation.TargetToken, Issuer: someIssuer, ID: "sess_1"},
			{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "user_ada"},
		},
	} {
		l, _ := idleLedger(t)
		see(t, l, "sess_1")
		l.Flush(t.Context())
		events, leave := l.Watch(func(store.Session) bool { return true })
		var prepared []Request
		for _, r := range requests {
			request, err := l.Prepare(Request{Revocation: r})
			if err != nil {
				t.Fatal(err)
			}
			prepared = append(prepared, request)
		}
		if _, err := l.Revoke(t.Context(), operator, prepared...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.readRevocations(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		leave()
		want := 1
		if name == "by nothing that it has" {
			want = 0
		}
		if len(events) != want {
			t.Errorf("%s: %d events; want %d", name, len(events), want)
			continue
		}
		if want > 0 {
			if got := <-events; got.Kind != sessionv1.Event_EVENT_REVOKED || got.Session.ID != "sess_1" {
				t.Errorf("%s: unexpected event %+v", name, got)
			}
		}
	}
}
