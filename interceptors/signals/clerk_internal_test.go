package signals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

func newClerk(tb testing.TB, sink Sink, edit func(*ClerkConfig)) *Receiver {
	tb.Helper()
	config := ClerkConfig{Issuer: issuer, Secrets: []string{secret}, Sink: sink, Now: clock, Logger: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&config)
	}
	receiver, err := NewClerk(config)
	if err != nil {
		tb.Fatal(err)
	}
	return receiver
}

// event is a message of Clerk that happened two seconds ago.
func event(kind, data string) string {
	return fmt.Sprintf(`{"data":%s,"event_attributes":{"http_request":{"client_ip":"192.0.2.1","user_agent":"curl"}},"instance_id":"ins_123","object":"event","timestamp":%d,"type":%q}`,
		data, now.Add(-2*time.Second).UnixMilli(), kind)
}

func TestWhatEventsOfClerkRevoke(t *testing.T) {
	t.Parallel()
	const session = `{"object":"session","id":"sess_1","user_id":"user_ada","client_id":"client_1","status":"ended","actor":null,"updated_at":1772366397000,"user":null}`
	user := func(rest string) string { return `{"object":"user","id":"user_ada",` + rest + `}` }
	happened := now.Add(-2 * time.Second)
	theSession := []revocation.Revocation{{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1"}}
	untilThen := func(before time.Time) []revocation.Revocation {
		return []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada", Before: before}}
	}
	const member = `{"object":"organization_membership","id":"orgmem_1","role":"org:member","permissions":[],"organization":{"id":"org_1","object":"organization"},"public_user_data":{"user_id":"user_ada"},"updated_at":1772366397000}`
	inOrganization := []revocation.Revocation{{Kind: revocation.TargetMember, Issuer: issuer, ID: "org_1", Subject: "user_ada", Before: happened.Add(2 * time.Second)}}
	earlier := now.Add(-time.Hour).UnixMilli()
	for name, tt := range map[string]struct {
		body string
		want []revocation.Revocation
	}{
		"a session that has ended":    {event("session.ended", session), theSession},
		"one that was removed":        {event("session.removed", session), theSession},
		"one that was revoked":        {event("session.revoked", session), theSession},
		"one that begins":             {event("session.created", session), nil},
		"one with tasks left":         {event("session.pending", session), nil},
		"a session, at no known time": {`{"type":"session.ended","data":{"id":"sess_1"}}`, theSession},
		"a user who is deleted":       {event("user.deleted", `{"deleted":true,"id":"user_ada","object":"user"}`), []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada", AllTokens: true}}},
		"a user who is banned":        {event("user.updated", user(fmt.Sprintf(`"banned":true,"locked":false,"updated_at":%d`, earlier))), untilThen(happened.Add(2 * time.Second))},
		"a user who is banned, changed after the message was made": {
			event("user.updated", user(fmt.Sprintf(`"banned":true,"updated_at":%d`, happened.Add(1500*time.Millisecond).UnixMilli()))), untilThen(happened.Add(3 * time.Second)),
		},
		"a user who is banned, in seconds": {fmt.Sprintf(`{"type":"user.updated","timestamp":%d,"data":%s}`, happened.Unix(), user(`"banned":true`)), untilThen(happened.Add(2 * time.Second))},
		"a user who is not":                {event("user.updated", user(`"banned":false,"locked":true`)), nil},
		"a user who is locked":             {event("user.updated", user(`"locked":true`)), nil},
		"a user who calls itself banned":   {event("user.updated", user(`"banned":false,"unsafe_metadata":{"banned":true}`)), nil},
		"a user with odd metadata": {
			event("user.updated", user(`"banned":true,"unsafe_metadata":{"a":"\ud800","b":1,"b":2,"c":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000)+`}`)), untilThen(happened.Add(2 * time.Second)),
		},
		"a member who is removed":           {event("organizationMembership.deleted", member), inOrganization},
		"a member whose role is changed":    {event("organizationMembership.updated", member), inOrganization},
		"a member who joins":                {event("organizationMembership.created", member), nil},
		"an organization that is deleted":   {event("organization.deleted", `{"deleted":true,"id":"org_1","object":"organization"}`), []revocation.Revocation{{Kind: revocation.TargetOrganization, Issuer: issuer, ID: "org_1", AllTokens: true}}},
		"an organization with another name": {event("organization.updated", `{"id":"org_1","object":"organization"}`), nil},
		"an event that nobody knows":        {event("session.exploded", session), nil},
		"a waitlist":                        {event("waitlistEntry.created", `{"id":"wait_1"}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sink recorder
			receiver := newClerk(t, &sink, func(c *ClerkConfig) { c.Sink = &sink })
			if w := post(t, receiver, sign(svix, "msg_1", tt.body), tt.body); w.Code != http.StatusOK {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			if len(tt.want) == 0 {
				if got := receiver.Status(); len(sink.messages) != 0 || got.Ignored != 1 || got.Accepted != 0 {
					t.Errorf("revoked %+v; Status = %+v", sink.messages, got)
				}
				return
			}
			if len(sink.messages) != 1 {
				t.Fatalf("the sink has %d messages; want 1", len(sink.messages))
			}
			got := sink.messages[0]
			if len(got.Revocations) != len(tt.want) || got.Revocations[0] != tt.want[0] && !equalRevocations(got.Revocations[0], tt.want[0]) {
				t.Errorf("revoked %+v; want %+v", got.Revocations, tt.want)
			}
			if got.Source != "clerk" || got.ID != "msg_1" || got.Issuer != issuer {
				t.Errorf("the message is %+v", got)
			}
		})
	}
}

func equalRevocations(a, b revocation.Revocation) bool {
	equal := a.Before.Equal(b.Before)
	a.Before, b.Before = time.Time{}, time.Time{}
	return equal && a == b
}

func TestMessagesOfClerkThatAreRefused(t *testing.T) {
	t.Parallel()
	late := now.Add(6 * time.Minute).UnixMilli()
	for name, body := range map[string]string{
		"no JSON":                         `session.ended`,
		"an empty body":                   ``,
		"an array":                        `[{"type":"session.ended"}]`,
		"two objects":                     `{"type":"session.ended"}{}`,
		"no type":                         `{"data":{"id":"sess_1"}}`,
		"a type that is no text":          `{"type":{"a":1},"data":{"id":"sess_1"}}`,
		"a type in other letters":         `{"Type":"session.ended","data":{"id":"sess_1"}}`,
		"no session":                      event("session.ended", `{"user_id":"user_ada"}`),
		"an empty session":                event("session.ended", `{"id":""}`),
		"a session that is an object":     event("session.ended", `{"id":{"$ne":""}}`),
		"a session with a line break":     event("session.ended", `{"id":"sess_1\n"}`),
		"a session that is too long":      event("session.ended", `{"id":"`+strings.Repeat("s", maxIDBytes+1)+`"}`),
		"data that is no object":          event("session.ended", `"sess_1"`),
		"no user":                         event("user.deleted", `{"deleted":true}`),
		"a member of nothing":             event("organizationMembership.deleted", `{"public_user_data":{"user_id":"user_ada"}}`),
		"a member who is nobody":          event("organizationMembership.deleted", `{"organization":{"id":"org_1"},"public_user_data":null}`),
		"a member at no known time":       `{"type":"organizationMembership.deleted","data":{"organization":{"id":"org_1"},"public_user_data":{"user_id":"user_ada"}}}`,
		"no organization":                 event("organization.deleted", `{"deleted":true}`),
		"banned in words":                 event("user.updated", `{"id":"user_ada","banned":"true"}`),
		"banned at no known time":         `{"type":"user.updated","data":{"id":"user_ada","banned":true}}`,
		"banned in the future":            event("user.updated", fmt.Sprintf(`{"id":"user_ada","banned":true,"updated_at":%d}`, late)),
		"banned before there was Clerk":   event("user.updated", `{"id":"user_ada","banned":true,"updated_at":12}`),
		"a time in microseconds":          `{"type":"session.ended","timestamp":1772366398000000,"data":{"id":"sess_1"}}`,
		"a time that is a word":           `{"type":"session.ended","timestamp":"now","data":{"id":"sess_1"}}`,
		"a time with a fraction":          `{"type":"session.ended","timestamp":1772366398.5,"data":{"id":"sess_1"}}`,
		"nesting without end":             `{"type":"session.ended","data":` + strings.Repeat("[", 60_000),
		"nesting with an end, very deep":  `{"data":` + strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000) + `}`,
		"a type that is very long":        `{"type":"` + strings.Repeat("t", maxIDBytes+1) + `"}`,
		"a type that writes its own line": `{"type":"a\nlevel=ERROR"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sink recorder
			receiver := newClerk(t, &sink, nil)
			w := post(t, receiver, sign(svix, "msg_1", body), body)
			if got := receiver.Status(); w.Code != http.StatusBadRequest || len(sink.messages) != 0 || got.Refused != 1 {
				t.Errorf("answered %d, revoked %+v, Status = %+v", w.Code, sink.messages, got)
			}
		})
	}
}

func TestMessagesOfOtherInstancesOfClerkAreRefused(t *testing.T) {
	t.Parallel()
	body := event("session.ended", `{"id":"sess_1"}`)
	for instance, want := range map[string]int{"": http.StatusOK, "ins_123": http.StatusOK, "ins_12": http.StatusBadRequest} {
		receiver := newClerk(t, &recorder{}, func(c *ClerkConfig) { c.InstanceID = instance })
		if w := post(t, receiver, sign(svix, "msg_1", body), body); w.Code != want {
			t.Errorf("with the instance %q: answered %d; want %d", instance, w.Code, want)
		}
	}
}

// A message may come a day late, and the news of the lifting of a ban before that of the ban.
func TestALaterEventOfClerkUndoesNothing(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{Now: clock})
	receiver := newClerk(t, ToList(list), nil)
	send := func(id, body string) {
		if w := post(t, receiver, sign(svix, id, body), body); w.Code != http.StatusOK {
			t.Fatalf("%s: answered %d %s", id, w.Code, w.Body)
		}
	}
	send("msg_1", event("user.updated", `{"id":"user_ada","banned":true}`))
	send("msg_2", event("user.updated", `{"id":"user_ada","banned":false}`))
	send("msg_3", event("session.revoked", `{"id":"sess_1","user_id":"user_bob"}`))
	send("msg_4", event("session.created", `{"id":"sess_1","user_id":"user_bob"}`))
	send("msg_5", event("user.deleted", `{"id":"user_eve","deleted":true}`))
	send("msg_5", event("user.deleted", `{"id":"user_eve","deleted":true}`))
	happened := now.Add(-2 * time.Second)
	for name, tt := range map[string]struct {
		id   auth.Identity
		want auth.Reason
	}{
		"issued before the ban":                      {auth.Identity{Subject: "user_ada", IssuedAt: happened.Add(-time.Second)}, auth.TokenRevoked},
		"issued in the second of the ban":            {auth.Identity{Subject: "user_ada", IssuedAt: happened}, auth.TokenRevoked},
		"issued then, by a clock that is ahead":      {auth.Identity{Subject: "user_ada", IssuedAt: happened.Add(time.Second)}, auth.TokenRevoked},
		"issued after the ban was lifted":            {auth.Identity{Subject: "user_ada", IssuedAt: happened.Add(2 * time.Second)}, 0},
		"the session that is over":                   {auth.Identity{Subject: "user_bob", SessionID: "sess_1", IssuedAt: now}, auth.TokenRevoked},
		"the session, by a token of another subject": {auth.Identity{Subject: "bob@example.com", SessionID: "sess_1", IssuedAt: now}, auth.TokenRevoked},
		"another session of that user":               {auth.Identity{Subject: "user_bob", SessionID: "sess_2", IssuedAt: now}, 0},
		"the user who was deleted, by a new token":   {auth.Identity{Subject: "user_eve", SessionID: "sess_3", IssuedAt: now.Add(time.Hour)}, auth.TokenRevoked},
	} {
		tt.id.Issuer = issuer
		err := list.Revoked(&tt.id)
		if reason, _ := auth.ReasonOf(err); reason != tt.want || (err == nil) != (tt.want == 0) {
			t.Errorf("%s: %v; want %v", name, err, tt.want)
		}
	}
	if got := receiver.Status(); got.Accepted != 3 || got.Ignored != 2 || got.Repeated != 1 {
		t.Errorf("Status = %+v", got)
	}
}

func TestWhatIsWrongWithTheSettingsOfClerk(t *testing.T) {
	t.Parallel()
	_, err := NewClerk(ClerkConfig{Secrets: []string{"whsec_", "hunter2!"}})
	for _, want := range []string{"secret 1 of 2", "secret 2 of 2", "no issuer", "no sink"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Clerk = %v; want %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a secret: %v", err)
	}
	if _, err := NewClerk(ClerkConfig{Issuer: issuer, Sink: &recorder{}}); err == nil {
		t.Error("no secret is accepted")
	}
}

// Whatever a forger or a broken sender sends: nothing is revoked that was not signed, and nothing fails here.
func FuzzClerk(f *testing.F) {
	f.Add(event("session.ended", `{"id":"sess_1"}`), true)
	f.Add(event("user.updated", `{"id":"user_ada","banned":true}`), true)
	f.Add(event("user.deleted", `{"id":"user_ada"}`), false)
	f.Add(`{"type":"session.ended","data":null}`, true)
	f.Add(`{"type":7}`, true)
	f.Fuzz(func(t *testing.T, body string, signed bool) {
		list := revocation.New(revocation.Config{Now: clock})
		receiver := newClerk(t, ToList(list), nil)
		header := sign(svix, "msg_1", body)
		if !signed {
			header.Set("svix-signature", "v1,"+hmacOf("msg_2", now.Unix(), body))
		}
		w := post(t, receiver, header, body)
		if w.Code >= 500 || !signed && (w.Code < 400 || list.Len() != 0) {
			t.Errorf("answered %d %s; %d revocations", w.Code, w.Body, list.Len())
		}
	})
}

func TestAMessageOfClerkThatIsNotStoredIsSentAgain(t *testing.T) {
	t.Parallel()
	receiver := newClerk(t, ToList(nil), func(c *ClerkConfig) {
		c.Sink = sinkFunc(func(_ context.Context, _ Message) error { return errors.New("the disk is full") })
	})
	body := event("session.ended", `{"id":"sess_1"}`)
	if w := post(t, receiver, sign(svix, "msg_1", body), body); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d, %v", w.Code, w.Header())
	}
}
