package transmitter

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func TestEveryKindOfRevocationHasAnEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	const revoked, disabled = `"https://schemas.openid.net/secevent/caep/event-type/session-revoked"`, `"https://schemas.openid.net/secevent/risc/event-type/account-disabled"`
	const now, before = `1772366401`, `1772362800` // of at, rounded up, and of an hour before
	for name, tt := range map[string]struct {
		target       store.Target
		issuedBefore time.Time
		origin       string
		events       []string
		wantSubject  string
		wantEvent    string
		wantTime     string
	}{
		"a session of a subject": {
			target: store.Target{Kind: "session", Issuer: "https://i", Value: "s", Subject: "u"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"complex","user":{"format":"iss_sub","iss":"https://i","sub":"u"},"session":{"format":"opaque","id":"s"}}`,
		},
		"a session of any subject": {
			target: store.Target{Kind: "session", Issuer: "https://i", Value: "s"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"complex","session":{"format":"opaque","id":"s"},"tenant":{"format":"opaque","id":"https://i"}}`,
		},
		"a subject, before an instant": {
			target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, issuedBefore: at.Add(-time.Hour).Truncate(time.Second), wantEvent: revoked, wantTime: before,
			wantSubject: `{"format":"iss_sub","iss":"https://i","sub":"u"}`,
		},
		"a subject, until its issuer has said that it was signed out": {
			target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, origin: store.OriginSignal, wantEvent: revoked, wantTime: before,
			issuedBefore: at.Add(-time.Hour).Truncate(time.Second).Add(2 * time.Second),
			wantSubject:  `{"format":"iss_sub","iss":"https://i","sub":"u"}`,
		},
		"a subject, until its clock says now": {
			target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, issuedBefore: at.Add(5 * time.Second), wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"iss_sub","iss":"https://i","sub":"u"}`,
		},
		"a subject, for good": {
			target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, wantEvent: disabled, wantTime: now,
			wantSubject: `{"format":"iss_sub","iss":"https://i","sub":"u"}`,
		},
		"a subject, for good, for who wants to hear of sessions alone": {
			target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, events: []string{sessionRevoked, "https://example.com/other"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"iss_sub","iss":"https://i","sub":"u"}`,
		},
		"a machine": {
			target: store.Target{Kind: "machine", Issuer: "https://i", Value: "m"}, wantEvent: disabled, wantTime: now,
			wantSubject: `{"format":"iss_sub","iss":"https://i","sub":"m"}`,
		},
		"a token": {
			target: store.Target{Kind: "token", Issuer: "https://i", Value: "j"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"jwt_id","iss":"https://i","jti":"j"}`,
		},
		"a client": {
			target: store.Target{Kind: "client", Issuer: "https://i", Value: "c"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"complex","application":{"format":"iss_sub","iss":"https://i","sub":"c"}}`,
		},
		"an organization": {
			target: store.Target{Kind: "organization", Issuer: "https://i", Value: "o"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"complex","org_unit":{"format":"iss_sub","iss":"https://i","sub":"o"}}`,
		},
		"a member of an organization": {
			target: store.Target{Kind: "member", Issuer: "https://i", Value: "o", Subject: "u"}, wantEvent: revoked, wantTime: now,
			wantSubject: `{"format":"complex","user":{"format":"iss_sub","iss":"https://i","sub":"u"},"org_unit":{"format":"iss_sub","iss":"https://i","sub":"o"}}`,
		},
		"an issuer": {
			target: store.Target{Kind: "issuer", Issuer: "https://i"}, issuedBefore: at.Add(-time.Hour).Truncate(time.Second), wantEvent: revoked, wantTime: before,
			wantSubject: `{"format":"complex","tenant":{"format":"opaque","id":"https://i"}}`,
		},
		"a kind that is not known":             {target: store.Target{Kind: "device", Issuer: "https://i", Value: "d"}},
		"what the receiver has not asked for":  {target: store.Target{Kind: "token", Issuer: "https://i", Value: "j"}, events: []string{accountDisabled}},
		"nothing, for who asks for nothing":    {target: store.Target{Kind: "token", Issuer: "https://i", Value: "j"}, events: []string{}},
		"nothing, for who asks for other ones": {target: store.Target{Kind: "subject", Issuer: "https://i", Value: "u"}, events: []string{"https://example.com/other"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := store.Stream{ID: "stream", Audience: "receiver", Events: tt.events}
			row := store.Revocation{ID: [16]byte{1}, Target: tt.target, IssuedBefore: tt.issuedBefore, CreatedAt: at, Origin: store.Origin{Kind: tt.origin}}
			eventType := typeOf(stream, row)
			if tt.wantEvent == "" {
				if eventType != "" {
					t.Errorf("%s; want none", eventType)
				}
				return
			}
			encoded, err := json.Marshal(claimsOf(someIssuer, stream, row, eventType, at.Add(time.Minute)))
			if err != nil {
				t.Fatal(err)
			}
			want := `{"iss":"https://ostiary.example.com","jti":"` + eventID(stream, row) + `","iat":1772366460,"aud":"receiver","txn":"AQAAAAAAAAAAAAAAAAAAAA","sub_id":` + tt.wantSubject +
				`,"events":{` + tt.wantEvent + `:{"event_timestamp":` + tt.wantTime + `,"reason_admin":{"en":"Revoked at https://ostiary.example.com"}}}}`
			if string(encoded) != want {
				t.Errorf("\n got %s\nwant %s", encoded, want)
			}
		})
	}
}

func TestASessionIsNamedWithItsUserIfOneWasSeenInIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	stream := store.Stream{ID: "stream"}
	var seen []store.Session
	for _, s := range [][2]string{{"one", "user_ada"}, {"two", "user_ada"}, {"two", "user_ben"}} {
		seen = append(seen, store.Session{Issuer: someUsers, ID: s[0], Subject: s[1], FirstSeen: start, LastSeen: start})
	}
	seen = append(seen, store.Session{Issuer: "https://other.example.com", ID: "none", Subject: "user_ada", FirstSeen: start, LastSeen: start})
	if _, err := b.db.SaveSessions(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	for session, want := range map[string]*subject{"one": issued(someUsers, "user_ada"), "two": nil, "none": nil} {
		event := tr.event(t.Context(), stream, store.Revocation{Target: store.Target{Kind: "session", Issuer: someUsers, Value: session}, CreatedAt: start})
		if user, tenant := event.Subject.User, event.Subject.Tenant; !reflect.DeepEqual(user, want) || (tenant == nil) != (user != nil) {
			t.Errorf("session %s is of %+v at %+v; want %+v", session, user, tenant, want)
		}
	}
}

func TestAnEventHasTheSameIDEachTimeAndAnotherOnEachStream(t *testing.T) {
	t.Parallel()
	one, other := store.Revocation{ID: [16]byte{1}}, store.Revocation{ID: [16]byte{2}}
	a, b := store.Stream{ID: "a"}, store.Stream{ID: "b"}
	if got := eventID(a, one); got != "fpTRXNi1ak3EF-3kXWGBSQ" {
		t.Errorf("the ID of an event changes: %s", got)
	}
	if eventID(a, one) == eventID(a, other) || eventID(a, one) == eventID(b, one) {
		t.Error("two events have one ID")
	}
}
