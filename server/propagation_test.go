package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// propagation revokes a session and returns where that is in force, such as 2 of 3.
func (r *running) propagation(t *testing.T, session string) string {
	t.Helper()
	res, err := r.transports()["gRPC"].sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), r.revokeReq(session))
	if err != nil {
		t.Fatal(err)
	}
	return propagationText(res.GetPropagation())
}

func propagationText(p *revocationv1.Propagation) string {
	return fmt.Sprintf("%d of %d", p.GetConfirmedCount(), p.GetTotalCount())
}

func TestWhoRevokesLearnsWhereItIsInForce(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(t *testing.T, c *settings.Config){
		"SQLite":     func(t *testing.T, c *settings.Config) { t.Helper(); c.DataDir = t.TempDir() },
		"PostgreSQL": func(t *testing.T, c *settings.Config) { t.Helper(); c.DatabaseURL = pgtest.NewDatabase(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := start(t, withFeed, func(c *settings.Config) { database(t, c) })
			if got := one.propagation(t, "alone"); got != "1 of 1" {
				t.Errorf("alone: in force on %s; want 1 of 1", got)
			}
			other := start(t, withFeed, func(c *settings.Config) {
				c.DataDir, c.DatabaseURL, c.Issuers = one.config.DataDir, one.config.DatabaseURL, one.config.Issuers
			})
			other.issuer = one.issuer
			_, billing := guardOf(t, one, "billing")
			guardOf(t, one, "billing")
			guardOf(t, other, "shipping")
			for _, r := range []*running{one, other} {
				eventually(t, "all five have confirmed", func() bool { return r.propagation(t, "sess_1") == "5 of 5" })
			}
			otto := one.issuer.Session("user_otto")
			eventually(t, "all five have confirmed the end of a subject", func() bool {
				res, err := one.transports()["Connect"].sessions(t, otto).RevokeSubject(t.Context(), one.subjectReq("user_ben"))
				return err == nil && propagationText(res.GetPropagation()) == "5 of 5"
			})
			eventually(t, "all five have confirmed revocations", func() bool {
				res, err := other.revocations(t, otto).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{other.ofSession("sess_3")}})
				return err == nil && propagationText(res.GetPropagation()) == "5 of 5"
			})
			_ = billing.Close()
			eventually(t, "one that is gone is missing", func() bool { return one.propagation(t, "sess_4") == "4 of 5" })
			if err := other.stop(); err != nil {
				t.Error(err)
			}
			eventually(t, "a server that has stopped does not count, and what follows it is missing", func() bool { return one.propagation(t, "sess_5") == "2 of 4" })
		})
	}
}

// A follower that never confirms is missing, and not waited for.
func TestNobodyWaitsForAFollowerThatConfirmsNothing(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	stream := r.transports()["gRPC"].follow(t, secretOfFeed, "")
	feedUntil(t, "before", stream, 0)
	eventually(t, "the follower is missing", func() bool { return r.propagation(t, "sess_1") == "1 of 2" })
	client := r.transports()["Connect"].feed(t, secretOfFeed)
	report := func(token string) error {
		_, err := client.Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), ConfirmedResumeToken: token})
		return err
	}
	_, position := feedUntil(t, "after", stream, 1)
	if err := report(position); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower has confirmed", func() bool { return r.propagation(t, "sess_1") == "2 of 2" })
	wantError(t, "no position", report("sess_1"), errorv1.Reason_REASON_POSITION_INVALID)
	elsewhere := start(t, withFeed)
	_, foreign := feedUntil(t, "elsewhere", elsewhere.transports()["gRPC"].follow(t, secretOfFeed, ""), 0)
	wantError(t, "a position of another database", report(foreign), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	if got := r.propagation(t, "sess_1"); got != "2 of 2" {
		t.Errorf("afterwards: %s; want 2 of 2", got)
	}
	// A reader of pages confirms with each position that it sends.
	reader := &feedv1.Follower{Service: "reader", InstanceId: strings.Repeat("r", 253)}
	if _, err := client.ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: reader, ResumeToken: position}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reader has confirmed", func() bool { return r.propagation(t, "sess_1") == "3 of 3" })
}

func TestAFollowerThatIsGoneIsForgottenAfterAMinute(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withFeed, now.set)
	_, follower := guardOf(t, r, "billing")
	eventually(t, "the follower has confirmed", func() bool { return r.propagation(t, "sess_1") == "2 of 2" })
	_ = follower.Close()
	eventually(t, "the follower is missing", func() bool { return r.propagation(t, "sess_2") == "1 of 2" })
	now.move(59 * time.Second)
	if got := r.propagation(t, "sess_3"); got != "1 of 2" {
		t.Errorf("after 59 seconds: %s; want 1 of 2", got)
	}
	now.move(3 * time.Second)
	eventually(t, "the follower is forgotten", func() bool { return r.propagation(t, "sess_3") == "1 of 1" })
}
