package feed

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// targets has one target of every kind that the list knows.
var targets = map[string]*revocationv1.Target{
	"a session of any subject": session("sess_1"),
	"a session of a subject": {Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{
		Issuer: issuer, SessionId: "sess_1", Owner: &revocationv1.SessionRef_Subject{Subject: "user_ada"},
	}}},
	"a subject":       {Target: &revocationv1.Target_Subject{Subject: &revocationv1.SubjectRef{Issuer: issuer, Subject: "user_ada"}}},
	"a token":         {Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: issuer, TokenId: "jti_1"}}},
	"a client":        {Target: &revocationv1.Target_Client{Client: &revocationv1.ClientRef{Issuer: issuer, ClientId: "client_1"}}},
	"a machine":       {Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: issuer, Subject: "user_ada"}}},
	"an organization": {Target: &revocationv1.Target_Organization{Organization: &revocationv1.OrganizationRef{Issuer: issuer, OrganizationId: "org_1"}}},
	"a member":        {Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: issuer, OrganizationId: "org_1", Subject: "user_ada"}}},
	"an issuer":       {Target: &revocationv1.Target_EntireIssuer{EntireIssuer: &revocationv1.EntireIssuer{Issuer: issuer}}},
}

func TestEveryTargetRevokesItsTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, target := range targets {
		for extent, row := range map[string]struct {
			before, expires *timestamppb.Timestamp
			issued          time.Time
			at              time.Duration
			want            bool
		}{
			"all tokens, for good":              {nil, nil, now, 40 * 365 * 24 * time.Hour, true},
			"all tokens, while it is in force":  {nil, timestamppb.New(now.Add(time.Hour)), now, time.Hour - time.Second, true},
			"all tokens, after that":            {nil, timestamppb.New(now.Add(time.Hour)), now, time.Hour, false},
			"an earlier token":                  {timestamppb.New(now), nil, now.Add(-time.Second), 0, true},
			"a later token":                     {timestamppb.New(now), nil, now, 0, false},
			"a token that does not say when":    {timestamppb.New(now), nil, time.Time{}, 0, true},
			"tokens of before 1970":             {&timestamppb.Timestamp{}, nil, now, 0, false},
			"tokens of before the end of times": {&timestamppb.Timestamp{Seconds: never.Unix(), Nanos: 999_999_999}, nil, now, 0, true},
		} {
			t.Run(name+", "+extent, func(t *testing.T) {
				t.Parallel()
				sent := &feedv1.Revoked{Target: target, IssuedBeforeTime: row.before, ExpireTime: row.expires}
				id := &auth.Identity{
					Issuer: issuer, Subject: "user_ada", SessionID: "sess_1", TokenID: "jti_1", ClientID: "client_1",
					Organization: auth.Organization{ID: "org_1"}, Kind: auth.KindMachine, IssuedAt: row.issued,
				}
				for range 2 { // as it came, and as it is stored
					r, err := revocationOf(sent)
					if err != nil {
						t.Fatal(err)
					}
					list := revocation.New(revocation.Config{Now: func() time.Time { return now.Add(row.at) }})
					if err := list.Add(r); err != nil {
						t.Fatal(err)
					}
					if reason, refused := auth.ReasonOf(list.Revoked(id)); refused != row.want || refused && reason != auth.TokenRevoked {
						t.Errorf("refused %t, %v; want %t", refused, reason, row.want)
					}
					for stored := range list.All() {
						sent = revokedOf(stored)
					}
				}
			})
		}
	}
}

// unknownChanges cannot be added, and make the copy stale.
var unknownChanges = map[string]*feedv1.Change{
	"no change":                      {},
	"no target":                      revoked(nil),
	"a target of no case":            revoked(&revocationv1.Target{}),
	"a grant":                        grant(),
	"an organization without an id":  revoked(&revocationv1.Target{Target: &revocationv1.Target_Organization{Organization: &revocationv1.OrganizationRef{Issuer: issuer}}}),
	"a member without a subject":     revoked(&revocationv1.Target{Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: issuer, OrganizationId: "org_1"}}}),
	"a member without organization":  revoked(&revocationv1.Target{Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: issuer, Subject: "user_ada"}}}),
	"a session without an owner":     revoked(&revocationv1.Target{Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{Issuer: issuer, SessionId: "s"}}}),
	"a session of an empty subject":  revoked(&revocationv1.Target{Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{Issuer: issuer, SessionId: "s", Owner: &revocationv1.SessionRef_Subject{}}}}),
	"a session without an id":        revoked(session("")),
	"a token without an issuer":      revoked(&revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{TokenId: "jti_1"}}}),
	"an issuer without a name":       revoked(&revocationv1.Target{Target: &revocationv1.Target_EntireIssuer{}}),
	"an expiry that is no time":      {Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{Target: session("s"), ExpireTime: &timestamppb.Timestamp{Nanos: -1}}}},
	"an expiry in the year 1":        {Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{Target: session("s"), ExpireTime: timestamppb.New(time.Time{})}}},
	"an instant that is no time":     {Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{Target: session("s"), IssuedBeforeTime: &timestamppb.Timestamp{Nanos: -1}}}},
	"an instant in the year 1":       {Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{Target: session("s"), IssuedBeforeTime: timestamppb.New(time.Time{})}}},
	"a case that is yet to be added": unknownCase(),
}

// unknownCase is a change of field 2.
func unknownCase() *feedv1.Change {
	change := new(feedv1.Change)
	if err := proto.Unmarshal([]byte{0x12, 0x00}, change); err != nil {
		panic(err)
	}
	return change
}

func TestAChangeThatCannotBeAddedMakesTheCopyStale(t *testing.T) {
	t.Parallel()
	for name, change := range unknownChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
				hub := fleet.hubs[0]
				hub.revoke("before")
				synctest.Wait()
				hub.set(func() {
					hub.changes = append(hub.changes, revoked(session("with")), change, revoked(session("with too")))
				})
				synctest.Wait()
				hub.revoke("after")
				synctest.Wait()
				assertRevoked(t, follower, "before", "with", "with too", "after")
				assertReason(t, follower, "other", auth.RevocationsStale)
				if s := follower.Status(); !s.Ready || !s.Stale || s.LastError == "" || s.Hub == "" {
					t.Errorf("Status = %+v", s)
				}
				if follower.stored != "e1:1" {
					t.Errorf("position %s is stored; want the one before the change", follower.stored)
				}
				if n := fleet.logged("level=ERROR"); n != 1 {
					t.Errorf("%d errors are logged; want 1:\n%s", n, fleet.text())
				}
			}, func(c *Config) { c.RefuseStale = true })
		})
	}
}

// A service that starts while there is such a change serves, if it was to serve when
// stale.
func TestAStartWithAChangeThatCannotBeAdded(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fleet := newFleet(t, 1)
			fleet.hubs[0].changes = []*feedv1.Change{grant(), revoked(session("sess_1"))}
			follower := fleet.follow(t, func(c *Config) { c.RefuseStale = refuse })
			if err := follower.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			assertRevoked(t, follower, "sess_1")
			if s := follower.Status(); !s.Stale || follower.stored != "" {
				t.Errorf("Status = %+v, stored %q", s, follower.stored)
			}
			if refuse {
				assertReason(t, follower, "sess_2", auth.RevocationsStale)
			} else {
				assertAdmitted(t, follower, "sess_2")
			}
		})
	}
}

func TestASkippableChangeIsSkipped(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		skippable := unknownCase()
		skippable.Skippable = true
		fleet.hubs[0].set(func() { fleet.hubs[0].changes = []*feedv1.Change{skippable} })
		synctest.Wait()
		if s := follower.Status(); s.Stale || follower.stored != "e1:1" {
			t.Errorf("Status = %+v, stored %q", s, follower.stored)
		}
	})
}

// Everything is read again from time to time, until it has no such change any more.
func TestAStaleCopyRecoversWhenTheChangeIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.heartbeat = 30 * time.Second
		follower := fleet.follow(t, func(c *Config) { c.MaxStale = time.Minute })
		synctest.Wait()
		hub.set(func() { hub.changes = []*feedv1.Change{grant(), revoked(session("sess_1"))} })
		pass(10 * time.Second)
		end(fleet, errDone)
		pass(10 * time.Second)
		assertAsked(t, hub, "", "e1:2")
		if s := follower.Status(); !s.Stale {
			t.Errorf("Status = %+v", s)
		}
		pass(2 * time.Hour)
		assertAsked(t, hub, "", "e1:2", "")
		if s := follower.Status(); !s.Stale {
			t.Errorf("Status = %+v", s)
		}
		hub.set(func() { hub.changes[0] = revoked(session("sess_2")) })
		pass(rereadInterval)
		assertAsked(t, hub, "", "e1:2", "", "")
		if s := follower.Status(); s.Stale || s.Age > 30*time.Second || follower.stored != "e1:2" {
			t.Errorf("Status = %+v, stored %q", s, follower.stored)
		}
		assertRevoked(t, follower, "sess_1")
	})
}

// TestTheSchemaHasNoCaseThatWasForgotten fails when a case is added to the schema. Add it to
// targetOf or to the unknown changes above; if to targetOf, increase knownCases.
func TestTheSchemaHasNoCaseThatWasForgotten(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		message protoreflect.ProtoMessage
		oneof   protoreflect.Name
		want    []string
	}{
		{&feedv1.Change{}, "change", []string{"revoked"}},
		{&revocationv1.Target{}, "target", []string{"session", "subject", "token", "client", "machine", "entire_issuer", "organization", "member", "grant"}},
		{&revocationv1.SessionRef{}, "owner", []string{"subject", "any_subject"}},
	} {
		var got []string
		fields := row.message.ProtoReflect().Descriptor().Oneofs().ByName(row.oneof).Fields()
		for i := range fields.Len() {
			got = append(got, string(fields.Get(i).Name()))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s has the cases %q; want %q", row.oneof, got, row.want)
		}
	}
}
