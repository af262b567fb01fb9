package transmitter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/ostiary/ostiary/server/internal/store"
)

const now = `"returnImmediately": true`

// acks returns a poll that acknowledges events.
func acks(events map[string]received, about ...string) string {
	var ids []string
	for id, event := range events {
		if slices.Contains(about, event.about()) {
			ids = append(ids, id)
		}
	}
	encoded, _ := json.Marshal(ids)
	return `{` + now + `, "ack": ` + string(encoded) + `}`
}

func TestWhatIsRevokedIsPolled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	b.revoke("before the stream")
	id := o.create(nil)
	if got, more := o.poll(id, `{`+now+`}`); len(got) > 0 || more {
		t.Errorf("%v, %v; want nothing", got, more)
	}
	b.revoke("sess_1", "sess_2", "sess_3")
	first, more := o.poll(id, `{`+now+`, "maxEvents": 2}`)
	if got := about(first); !slices.Equal(got, []string{"sess_1", "sess_2"}) || !more {
		t.Fatalf("%q, more %v; want two, and more", got, more)
	}
	again, _ := o.poll(id, `{`+now+`}`)
	if got := about(again); !slices.Equal(got, []string{"sess_1", "sess_2", "sess_3"}) {
		t.Errorf("unacknowledged: %q; want all", got)
	}
	for jti, event := range first {
		if event.claims["jti"] != jti || event.claims["aud"] != id || again[jti].claims == nil {
			t.Errorf("event %s: %v; want the same jti each time", jti, event.claims)
		}
	}
	// What is behind the first that is not acknowledged comes again.
	if got, _ := o.poll(id, acks(again, "sess_1", "sess_3")); !slices.Equal(about(got), []string{"sess_2", "sess_3"}) {
		t.Errorf("after the first and the third: %q", about(got))
	}
	if got, _ := o.poll(id, acks(again, "sess_1")); !slices.Equal(about(got), []string{"sess_2", "sess_3"}) {
		t.Errorf("after an old one again: %q", about(got))
	}
	if got, more := o.poll(id, strings.Replace(acks(again, "sess_2"), now, `"maxEvents": 0`, 1)); len(got) > 0 || more {
		t.Errorf("only to acknowledge: %v", got)
	}
	if got, _ := o.poll(id, `{`+now+`, "ack": ["unknown", "`+strings.Repeat("x", 1000)+`"]}`); !slices.Equal(about(got), []string{"sess_3"}) {
		t.Errorf("after unknown ones: %q", about(got))
	}
	var third string
	for jti, event := range again {
		if event.about() == "sess_3" {
			third = jti
		}
	}
	if got, _ := o.poll(id, `{`+now+`, "setErrs": {"`+third+`": {"err": "access_denied", "description": "never-to-be-seen"}}}`); len(got) > 0 {
		t.Errorf("after one was refused: %q", about(got))
	}
	if s := b.streams()[0]; s.Refused != 1 || s.Sequence != b.latest.Sequence || s.LastError != "it refuses an event with access_denied" {
		t.Errorf("%+v; want one refused, and nothing left", s)
	}
	if strings.Contains(b.log.String(), "never-to-be-seen") {
		t.Errorf("the log has what a receiver says:\n%s", &b.log)
	}
}

// A receiver that asks for few events must not have everything read at each poll.
func TestWhatAStreamHasNoEventOfIsReadOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.owner(b.start(), "one")
	_, answered := o.call(http.MethodPost, streamPath, `{"events_requested": ["`+accountDisabled+`"]}`)
	id := answered["stream_id"].(string)
	b.revoke("sess_1", "sess_2")
	if got, more := o.poll(id, `{`+now+`}`); len(got) > 0 || more {
		t.Errorf("%v, %v; want nothing", got, more)
	}
	if s := b.streams()[0]; s.Sequence != b.latest.Sequence || s.Missed != 0 {
		t.Errorf("it is at %d, missed %d; want it at %d", s.Sequence, s.Missed, b.latest.Sequence)
	}
}

func TestPolledEventsAreSignedByAPublishedKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(nil)
	b.revoke("sess_1")
	_, answered := o.call(http.MethodPost, pollPath+id, `{`+now+`}`)
	for _, signed := range answered["sets"].(map[string]any) {
		if _, err := jws.Verify([]byte(signed.(string)), jws.WithKeySet(o.keys())); err != nil {
			t.Error(err)
		}
	}
	published, _ := json.Marshal(o.keys())
	if strings.Contains(string(published), `"d"`) {
		t.Error("a private key is published")
	}
}

func TestAPollWaitsForAnEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr, other := b.start(), b.start()
	o := b.owner(tr, "one")
	id := o.create(nil)
	wait := func(what string, cause func()) {
		t.Helper()
		got := make(chan map[string]received)
		go func() {
			events, _ := o.poll(id, `{}`)
			got <- events
		}()
		eventually(t, "the poll waits", func() bool { return tr.Waiting() == 1 })
		cause()
		if events := <-got; len(events) != 1 {
			t.Errorf("%s: %v; want it", what, events)
		} else {
			for jti := range events {
				o.poll(id, `{"maxEvents": 0, "ack": ["`+jti+`"]}`)
			}
		}
	}
	wait("a revocation", func() { b.revoke("sess_1") })
	wait("a verification that another server was asked for", func() {
		b.owner(other, "one").call(http.MethodPost, verifyPath, `{"stream_id": "`+id+`", "state": "abc"}`)
	})
	if s := b.streams()[0]; s.Verification.Waits() {
		t.Errorf("%+v; want the verification acknowledged", s)
	}
}

func TestAPollThatWaitsIsAnsweredWhenTheServerStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stopping := make(chan struct{})
	tr := b.start(func(c *Config) { c.Stopping = stopping })
	o := b.owner(tr, "one")
	id := o.create(nil)
	answered := make(chan int)
	go func() {
		events, _ := o.poll(id, `{}`)
		answered <- len(events)
	}()
	eventually(t, "the poll waits", func() bool { return tr.Waiting() == 1 })
	close(stopping)
	if n := <-answered; n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestThosePollsAreAnsweredAtOnceForWhichThereIsNoPlaceToWait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(nil)
	for range maxWaiting {
		tr.waiting <- struct{}{}
	}
	if events, _ := o.poll(id, `{}`); len(events) > 0 {
		t.Errorf("%v", events)
	}
}

func TestManyEventsArePolledInPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(nil)
	// Those that mean nothing to a receiver are passed over, however many they are.
	var odd []store.Revocation
	for range pageSize + 10 {
		odd = append(odd, store.Revocation{Target: store.Target{Kind: "device", Issuer: someUsers, Value: "d"}, CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Hour)})
	}
	b.save(odd...)
	b.revoke(names(0, 250)...)
	var all []string
	poll := `{` + now + `}`
	for range 4 {
		events, more := o.poll(id, poll)
		if len(events) > maxPolled || more != (len(all)+len(events) < 250) {
			t.Fatalf("%d events after %d, more %v", len(events), len(all), more)
		}
		all = append(all, about(events)...)
		poll = acks(events, about(events)...)
	}
	if !slices.Equal(all, names(0, 250)) {
		t.Errorf("%d events", len(all))
	}
	if s := b.streams()[0]; s.Sequence != b.latest.Sequence || s.Missed != 0 {
		t.Errorf("%+v; want it at the end", s)
	}
}

func TestAPausedStreamGivesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(nil)
	set := func(status string) {
		t.Helper()
		if code, body := o.call(http.MethodPost, statusPath, fmt.Sprintf(`{"stream_id": %q, "status": %q}`, id, status)); code != http.StatusOK {
			t.Fatalf("%d, %v", code, body)
		}
	}
	want := func(what string, sessions ...string) {
		t.Helper()
		if got, _ := o.poll(id, `{`+now+`}`); !slices.Equal(about(got), sessions) {
			t.Errorf("%s: %q; want %q", what, about(got), sessions)
		}
	}
	b.revoke("sess_1")
	set("paused")
	want("while it is paused")
	b.revoke("sess_2")
	set("enabled")
	want("when it is enabled", "sess_1", "sess_2")
	set("disabled")
	b.revoke("sess_3")
	want("while it is disabled")
	set("paused")
	b.revoke("sess_4")
	set("enabled")
	want("when it was disabled", "sess_4")
}
