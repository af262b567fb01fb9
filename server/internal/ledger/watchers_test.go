package ledger

import (
	"reflect"
	"testing"

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
