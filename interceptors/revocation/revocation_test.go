package revocation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

const issuer = "https://clerk.example.com"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newList(at *time.Time) *revocation.List {
	return revocation.New(revocation.Config{Now: func() time.Time { return *at }})
}

func fixed() *revocation.List {
	at := now
	return newList(&at)
}

func add(t *testing.T, list *revocation.List, revocations ...revocation.Revocation) {
	t.Helper()
	if err := list.Add(revocations...); err != nil {
		t.Fatal(err)
	}
}

// ada's token was issued a minute ago.
func ada() *auth.Identity {
	return &auth.Identity{
		Issuer: issuer, Subject: "user_ada", Kind: auth.KindSession, SessionID: "sess_1",
		TokenID: "jti_1", ClientID: "client_1", IssuedAt: now.Add(-time.Minute),
	}
}

func assertRevoked(t *testing.T, list *revocation.List, id *auth.Identity, want bool) {
	t.Helper()
	err := list.Revoked(id)
	switch reason, refused := auth.ReasonOf(err); {
	case !want && err != nil:
		t.Errorf("Revoked = %v; want nil", err)
	case want && (!refused || reason != auth.TokenRevoked):
		t.Errorf("Revoked = %v; want %v", err, auth.TokenRevoked)
	}
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	type change func(*auth.Identity)
	just := func(*auth.Identity) {}
	machine := func(id *auth.Identity) {
		*id = auth.Identity{Issuer: issuer, Subject: "mch_1", Kind: auth.KindMachine, IssuedAt: now}
	}
	actedBy := func(actor auth.Actor) change { return func(id *auth.Identity) { id.Actor = &actor } }
	issued := func(at time.Time) change { return func(id *auth.Identity) { id.IssuedAt = at } }
	in := func(organization string, more ...change) change {
		return func(id *auth.Identity) {
			id.Organization.ID = organization
			for _, c := range more {
				c(id)
			}
		}
	}
	organization := revocation.Revocation{Kind: revocation.TargetOrganization, ID: "org_1", Before: now}
	member := revocation.Revocation{Kind: revocation.TargetMember, ID: "org_1", Subject: "user_ada", Before: now}
	tests := []struct {
		name   string
		revoke revocation.Revocation
		who    change
		want   bool
	}{
		{"a session", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1"}, just, true},
		{"a session, also in tokens to come", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1"}, issued(now.Add(time.Hour)), true},
		{"another session", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_2"}, just, false},
		{"a session of the same id at another issuer", revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://else", ID: "sess_1"}, just, false},
		{"a session by the id of a subject", revocation.Revocation{Kind: revocation.TargetSession, ID: "user_ada"}, just, false},
		{"a session of its subject", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1", Subject: "user_ada"}, just, true},
		{"a session of its subject, also in tokens to come", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1", Subject: "user_ada"}, issued(now.Add(time.Hour)), true},
		{"a session of the same id of another subject", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1", Subject: "user_ben"}, just, false},
		{"another session of the subject", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_2", Subject: "user_ada"}, just, false},
		{"a session of its subject at another issuer", revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://else", ID: "sess_1", Subject: "user_ada"}, just, false},
		{
			"the session of an actor", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_3", Subject: "user_support"},
			actedBy(auth.Actor{Subject: "user_support", SessionID: "sess_3"}), true,
		},
		{
			"the session of an actor, by the subject who is impersonated", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_3", Subject: "user_ada"},
			actedBy(auth.Actor{Subject: "user_support", SessionID: "sess_3"}), false,
		},
		{"a token", revocation.Revocation{Kind: revocation.TargetToken, ID: "jti_1"}, just, true},
		{"another token", revocation.Revocation{Kind: revocation.TargetToken, ID: "jti_2"}, just, false},
		{"an OAuth client", revocation.Revocation{Kind: revocation.TargetClient, ID: "client_1"}, just, true},
		{"a machine", revocation.Revocation{Kind: revocation.TargetMachine, ID: "mch_1"}, machine, true},
		{"a machine by its subject as if that were a client", revocation.Revocation{Kind: revocation.TargetClient, ID: "mch_1"}, machine, false},
		{"a client as if it were a machine", revocation.Revocation{Kind: revocation.TargetMachine, ID: "client_1"}, just, false},
		{"a user as if they were a machine", revocation.Revocation{Kind: revocation.TargetMachine, ID: "user_ada"}, just, false},
		{"a subject", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", Before: now}, just, true},
		{"a subject's token that was issued at the instant", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", Before: now}, issued(now), false},
		{"a subject's token of a microsecond earlier", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", Before: now}, issued(now.Add(-time.Microsecond)), true},
		{"a subject's token of a nanosecond earlier", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", Before: now.Add(time.Nanosecond)}, issued(now), true},
		{"a subject's token that does not say when", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", Before: now}, issued(time.Time{}), true},
		{"all of a subject, also in tokens to come", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_ada", AllTokens: true}, issued(now.Add(time.Hour)), true},
		{"all of an issuer, also in tokens to come", revocation.Revocation{Kind: revocation.TargetIssuer, AllTokens: true}, issued(now.Add(time.Hour)), true},
		{"all of a session, as without a word", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1", AllTokens: true}, just, true},
		{"an issuer", revocation.Revocation{Kind: revocation.TargetIssuer, Before: now}, just, true},
		{"an issuer's later token", revocation.Revocation{Kind: revocation.TargetIssuer, Before: now}, issued(now.Add(time.Second)), false},
		{"another issuer", revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: "https://else", Before: now}, just, false},
		{"an organization", organization, in("org_1"), true},
		{"an organization's token that was issued at the instant", organization, in("org_1", issued(now)), false},
		{"an organization's token that does not say when", organization, in("org_1", issued(time.Time{})), true},
		{"all of an organization, also in tokens to come", revocation.Revocation{Kind: revocation.TargetOrganization, ID: "org_1", AllTokens: true}, in("org_1", issued(now.Add(time.Hour))), true},
		{"another organization", organization, in("org_2"), false},
		{"an organization, of a token that acts in none", organization, just, false},
		{"an organization by its slug", organization, func(id *auth.Identity) { id.Organization.Slug = "org_1" }, false},
		{"an organization of the same id at another issuer", revocation.Revocation{Kind: revocation.TargetOrganization, Issuer: "https://else", ID: "org_1", Before: now}, in("org_1"), false},
		{"a member", member, in("org_1"), true},
		{"a member's token that was issued at the instant", member, in("org_1", issued(now)), false},
		{"all of a member, also in tokens to come", revocation.Revocation{Kind: revocation.TargetMember, ID: "org_1", Subject: "user_ada", AllTokens: true}, in("org_1", issued(now.Add(time.Hour))), true},
		{"a member, in another organization", member, in("org_2"), false},
		{"a member, in no organization", member, just, false},
		{"another member", revocation.Revocation{Kind: revocation.TargetMember, ID: "org_1", Subject: "user_ben", Before: now}, in("org_1"), false},
		{"a member at another issuer", revocation.Revocation{Kind: revocation.TargetMember, Issuer: "https://else", ID: "org_1", Subject: "user_ada", Before: now}, in("org_1"), false},
		{"a member who acts for another", member, in("org_1", func(id *auth.Identity) { id.Subject = "user_ben" }, actedBy(auth.Actor{Subject: "user_ada"})), false},
		{"a member for whom another acts", member, in("org_1", actedBy(auth.Actor{Subject: "user_support"})), true},
		{"a member as if it were a session of a subject", member, func(id *auth.Identity) { id.SessionID = "org_1" }, false},
		{"a session of before an instant", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_1", Before: now.Add(-time.Hour)}, just, false},
		{"the subject of who acts", revocation.Revocation{Kind: revocation.TargetSubject, ID: "user_bob", Before: now}, actedBy(auth.Actor{Subject: "user_bob"}), true},
		{"the session of who acts", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_b"}, actedBy(auth.Actor{Subject: "user_bob", SessionID: "sess_b"}), true},
		{"who acts, of another issuer", revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://staff", ID: "sess_b"}, actedBy(auth.Actor{Issuer: "https://staff", SessionID: "sess_b"}), true},
		{"somebody else than who acts", revocation.Revocation{Kind: revocation.TargetSession, ID: "sess_c"}, actedBy(auth.Actor{SessionID: "sess_b"}), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list := fixed()
			if tt.revoke.Issuer == "" {
				tt.revoke.Issuer = issuer
			}
			id := ada()
			tt.who(id)
			assertRevoked(t, list, id, false)
			add(t, list, tt.revoke)
			assertRevoked(t, list, id, tt.want)
		})
	}
}

func TestTheNilIdentityIsNotRevoked(t *testing.T) {
	t.Parallel()
	list := fixed()
	add(t, list, revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: issuer, Before: now})
	assertRevoked(t, list, nil, false)
}

// TestAnAbsentClaimNamesNothing would fail if what a token does not have were
// looked up.
func TestAnAbsentClaimNamesNothing(t *testing.T) {
	t.Parallel()
	list := fixed()
	add(t, list, revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_2"})
	assertRevoked(t, list, &auth.Identity{Issuer: issuer, Subject: "user_ada", Kind: auth.KindTemplate}, false)
}

func TestInvalidRevocationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]revocation.Revocation{
		"no kind":                     {Issuer: issuer, ID: "x"},
		"an organization, no extent":  {Kind: revocation.TargetOrganization, Issuer: issuer, ID: "org_1"},
		"an organization without id":  {Kind: revocation.TargetOrganization, Issuer: issuer, Before: now},
		"an organization's subject":   {Kind: revocation.TargetOrganization, Issuer: issuer, ID: "org_1", Subject: "user_ada", Before: now},
		"a member, without extent":    {Kind: revocation.TargetMember, Issuer: issuer, ID: "org_1", Subject: "user_ada"},
		"a member of nothing":         {Kind: revocation.TargetMember, Issuer: issuer, Subject: "user_ada", Before: now},
		"a member who is nobody":      {Kind: revocation.TargetMember, Issuer: issuer, ID: "org_1", Before: now},
		"a kind that does not exist":  {Kind: revocation.TargetIssuer + 1, Issuer: issuer, ID: "x", Before: now},
		"all, and those of before":    {Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada", Before: now, AllTokens: true},
		"a subject, without extent":   {Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada"},
		"an issuer, without extent":   {Kind: revocation.TargetIssuer, Issuer: issuer},
		"no issuer":                   {Kind: revocation.TargetSession, ID: "sess_1"},
		"no id":                       {Kind: revocation.TargetToken, Issuer: issuer},
		"an id of an issuer":          {Kind: revocation.TargetIssuer, Issuer: issuer, ID: "x", Before: now},
		"a subject without instant":   {Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada"},
		"an issuer without instant":   {Kind: revocation.TargetIssuer, Issuer: issuer},
		"a client of a subject":       {Kind: revocation.TargetClient, Issuer: issuer, ID: "client_1", Subject: "user_ada"},
		"no kind, an instant, and id": {Issuer: issuer, ID: "x", Before: now},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := fixed()
			good := revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_1"}
			if err := list.Add(good, r); !errors.Is(err, revocation.ErrInvalid) {
				t.Errorf("Add = %v; want %v", err, revocation.ErrInvalid)
			}
			if _, err := list.Prepare(r); !errors.Is(err, revocation.ErrInvalid) {
				t.Errorf("Prepare = %v; want %v", err, revocation.ErrInvalid)
			}
			if list.Len() != 0 {
				t.Error("what came with it was added")
			}
		})
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	for kind := revocation.TargetSession; kind <= revocation.TargetIssuer; kind++ {
		if got, err := revocation.ParseTargetKind(kind.String()); err != nil || got != kind {
			t.Errorf("ParseTargetKind(%q) = %v, %v; want %v", kind.String(), got, err, kind)
		}
	}
	for _, name := range []string{"", "unknown", "Session", "user"} {
		if got, err := revocation.ParseTargetKind(name); err == nil {
			t.Errorf("ParseTargetKind(%q) = %v; want an error", name, got)
		}
	}
	if got := revocation.TargetKind(99).String(); got != "unknown" {
		t.Errorf("String = %q; want unknown", got)
	}
}

// A subject that was signed out can sign in again once its issuer's clock has passed the
// instant, and the refusal says when: most tokens have whole seconds in iat.
func TestARevocationOfWhatIsIssuedInAMomentSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before time.Time
		want   time.Duration
	}{
		"until a moment to come":        {now.Add(5*time.Second + time.Microsecond), 6 * time.Second},
		"until a whole second to come":  {now.Add(5 * time.Second), 5 * time.Second},
		"until a moment ago":            {now.Add(-time.Second), 0},
		"also tokens to come, for good": {time.Time{}, 0},
	} {
		list := fixed()
		add(t, list, revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: "user_ada", Before: test.before, AllTokens: test.before.IsZero()})
		err := list.Revoked(ada())
		refusal, ok := errors.AsType[*auth.Error](err)
		if !ok || refusal.Reason != auth.TokenRevoked {
			t.Fatalf("%s: %v; want %v", name, err, auth.TokenRevoked)
		}
		if refusal.RetryAfter != test.want || (refusal.Sentence() != auth.TokenRevoked.Message()) != (test.want > 0) {
			t.Errorf("%s: retry after %v, %q; want %v", name, refusal.RetryAfter, refusal.Sentence(), test.want)
		}
	}
}
