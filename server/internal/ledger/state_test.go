package ledger

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestTheStateOfASession(t *testing.T) {
	t.Parallel()
	const active, expired, revoked = sessionv1.SessionState_SESSION_STATE_ACTIVE, sessionv1.SessionState_SESSION_STATE_EXPIRED, sessionv1.SessionState_SESSION_STATE_REVOKED
	now := time.Now().Truncate(time.Second)
	session := store.Session{
		Issuer: someIssuer, ID: "sess_1", Subject: "user_ada", Organization: "org_acme",
		Token: store.Token{
			ID: "token_1", ClientID: "client_1", Actor: store.Actor{Subject: "user_support", SessionID: "sess_9"},
			IssuedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Minute),
		},
	}
	ofSession := revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}
	ofHers := ofSession
	ofHers.Subject = "user_ada"
	ofSubject := revocation.Revocation{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: now}
	ofIssuer := revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: someIssuer, Before: now}
	ofClient := revocation.Revocation{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "client_1"}
	ofOrganization := revocation.Revocation{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_acme", Before: now}
	ofMember := revocation.Revocation{Kind: revocation.TargetMember, Issuer: someIssuer, ID: "org_acme", Subject: "user_ada", Before: now}
	for name, test := range map[string]struct {
		revoke []revocation.Revocation
		after  time.Duration
		want   sessionv1.SessionState
		by     int // index of revoke
	}{
		"nothing happened":                              {nil, 0, active, -1},
		"it has expired, within the skew":               {nil, time.Minute + 4*time.Second, active, -1},
		"it has expired":                                {nil, time.Minute + 5*time.Second, expired, -1},
		"it was revoked":                                {[]revocation.Revocation{ofSession}, 0, revoked, 0},
		"it was revoked, and has expired":               {[]revocation.Revocation{ofHers}, time.Hour, revoked, 0},
		"by everything, the session first":              {[]revocation.Revocation{ofIssuer, ofClient, ofSubject, ofSession, ofHers}, 0, revoked, 4},
		"by all but its own, the session":               {[]revocation.Revocation{ofIssuer, ofClient, ofSubject, ofSession}, 0, revoked, 3},
		"by its subject, rather than others":            {[]revocation.Revocation{ofIssuer, ofSubject, ofClient}, 0, revoked, 1},
		"by its client, rather than by issuer":          {[]revocation.Revocation{ofIssuer, ofClient}, 0, revoked, 1},
		"by its issuer":                                 {[]revocation.Revocation{ofIssuer}, 0, revoked, 0},
		"by its organization":                           {[]revocation.Revocation{ofOrganization}, 0, revoked, 0},
		"by its member":                                 {[]revocation.Revocation{ofMember}, 0, revoked, 0},
		"by its organization, rather than by issuer":    {[]revocation.Revocation{ofIssuer, ofOrganization}, 0, revoked, 1},
		"by another organization":                       {[]revocation.Revocation{{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_other", Before: now}}, 0, active, -1},
		"by another member":                             {[]revocation.Revocation{{Kind: revocation.TargetMember, Issuer: someIssuer, ID: "org_acme", Subject: "user_support", Before: now}}, 0, active, -1},
		"older tokens of its organization were revoked": {[]revocation.Revocation{{Kind: revocation.TargetOrganization, Issuer: someIssuer, ID: "org_acme", Before: now.Add(-time.Hour)}}, 0, active, -1},
		"by its token":                                  {[]revocation.Revocation{{Kind: revocation.TargetToken, Issuer: someIssuer, ID: "token_1"}}, 0, revoked, 0},
		"by the session of who acts":                    {[]revocation.Revocation{{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_9"}}, 0, revoked, 0},
		"by the subject of who acts":                    {[]revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_support", Before: now}}, 0, revoked, 0},
		"older tokens of it were revoked": {
			[]revocation.Revocation{{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Before: now.Add(-time.Hour)}}, 0, active, -1,
		},
		"older tokens of it, and then its subject": {
			[]revocation.Revocation{{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Before: now.Add(-time.Hour)}, ofSubject}, 0, revoked, 1,
		},
	} {
		l, _ := idleLedger(t)
		l.config.Now = func() time.Time { return now }
		var saved []store.Revocation
		for _, r := range test.revoke {
			prepared, err := l.Prepare(Request{Revocation: r})
			if err != nil {
				t.Fatal(err)
			}
			one, err := l.Revoke(t.Context(), byOtto, nil, prepared)
			if err != nil {
				t.Fatal(err)
			}
			saved = append(saved, one...)
		}
		l.config.Now = func() time.Time { return now.Add(test.after) }
		other := store.Session{Issuer: someIssuer, ID: "sess_2", Subject: "user_ben", Token: store.Token{IssuedAt: now.Add(time.Hour)}}
		states, err := l.States(t.Context(), other, session, other)
		if err != nil || len(states) != 3 {
			t.Fatalf("%s: %v, %v", name, states, err)
		}
		if states[0] != (State{State: active}) || states[2] != states[0] {
			t.Errorf("%s: another session is %v", name, states[0])
		}
		got := states[1]
		if got.State != test.want || (got.Revocation != nil) != (test.by >= 0) || test.by >= 0 && got.Revocation.Sequence != saved[test.by].Sequence {
			t.Errorf("%s: %v by %+v; want %v by %d", name, got.State, got.Revocation, test.want, test.by)
		}
	}
}

func TestAStateThatCannotBeReadIsUnavailable(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	session := store.Session{Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}
	db.fails = "Strongest"
	if _, err := l.States(t.Context(), session); err != nil {
		t.Errorf("of a session that is not revoked: %v", err)
	}
	if _, err := end(t.Context(), l, session); err != nil {
		t.Fatal(err)
	}
	if states, err := l.States(t.Context(), session); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("%v, %v; want unavailable", states, err)
	}
}
