package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// wantReason asks who the token's bearer is, over every transport.
func (r *running) wantReason(t *testing.T, what, token string, want auth.Reason) {
	t.Helper()
	for protocol, call := range r.protocols() {
		_, err := call(t.Context(), t, token)
		if reason, ok := reasonOf(err); !ok || reason != want {
			t.Errorf("%s over %s: %v; want %v", what, protocol, err, want)
		}
	}
}

func (r *running) wantAdmitted(t *testing.T, what, token string) {
	t.Helper()
	if _, err := r.native(t.Context(), t, token); err != nil {
		t.Errorf("%s: %v; want it admitted", what, err)
	}
}

// again stops the server and starts another with the same data and issuer.
func (r *running) again(t *testing.T, edits ...func(*settings.Config)) *running {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, append(edits, func(c *settings.Config) {
		c.DataDir, c.Issuers, c.OperatorSubjects, c.Now = r.config.DataDir, r.config.Issuers, r.config.OperatorSubjects, r.config.Now
	})...)
	again.issuer = r.issuer
	return again
}

func TestARevokedSessionStaysRevoked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		by    string
		named bool
		cause string
	}{
		"by its own token":            {"ben", false, ""},
		"by its own token, named":     {"ben", true, "signed out"},
		"by an administrator":         {"ada-1", true, ""},
		"by an operator":              {"otto", true, "stolen"},
		"by an operator, before seen": {"otto", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			cast := r.cast()
			count := int64(1)
			if strings.HasSuffix(name, "before seen") {
				count = 0 // of the sessions that were seen
			} else {
				r.seen(t, cast)
			}
			req := revokeCurrent()
			if test.named {
				req = r.revokeReq("ben")
			}
			req.Cause = test.cause
			res, err := r.sessions(t, cast[test.by]).RevokeSession(t.Context(), req)
			if err != nil || len(res.GetRevocations()) != 1 || res.GetRevokedSessionCount() != count {
				t.Fatalf("%v, error %v", res, err)
			}
			got := res.GetRevocations()[0]
			if got.GetTarget().GetSession().GetSessionId() != "ben" || got.GetCause() != test.cause || got.GetRevocationId() == "" ||
				got.GetOrigin().GetCaller().GetIssuer() != r.issuer.URL() {
				t.Errorf("revocation %v", got)
			}
			if left := time.Until(got.GetExpireTime().AsTime()); left < settings.DefaultSessionRetention-time.Minute {
				t.Errorf("it is forgotten in %s; want %s", left, settings.DefaultSessionRetention)
			}
			renewed := r.issuer.Session("user_ben", authtest.With("sid", "ben"), authtest.IssuedAt(time.Now().Add(2*time.Second)))
			elsewhere := r.issuer.Session("user_ben", authtest.With("sid", "ben-2"))
			for _, server := range []*running{r, nil} {
				if server == nil {
					server = r.again(t)
				}
				server.wantReason(t, "the token", cast["ben"], auth.TokenRevoked)
				server.wantReason(t, "a newer token of the session", renewed, auth.TokenRevoked)
				server.wantAdmitted(t, "another session of the subject", elsewhere)
				server.wantAdmitted(t, "somebody else", cast["cleo"])
			}
		})
	}
}

func TestASessionOfAnyNameCanBeRevoked(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada", authtest.With("sid", strings.Repeat("ü", 1500)))
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	r.wantReason(t, "the token", token, auth.TokenRevoked)
}

func TestASessionIsRevokedOnce(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	var first *revocationv1.Revocation
	for i := range 3 {
		res, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben"))
		if err != nil || len(res.GetRevocations()) != 1 || (res.GetRevokedSessionCount() == 1) != (i == 0) {
			t.Fatalf("time %d: %v, error %v", i+1, res, err)
		}
		if first == nil {
			first = res.GetRevocations()[0]
		}
		if got := res.GetRevocations()[0]; !proto.Equal(got, first) {
			t.Errorf("time %d: %v; want the standing %v", i+1, got, first)
		}
	}
	if kept := r.revocationsKept(t); kept != 1 {
		t.Errorf("%d are kept; want 1", kept)
	}
}

// A second revocation must last as long as it reports, though the first expires soon.
func TestASessionIsRevokedAgainBeforeItsRevocationExpires(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withOperator, now.set)
	revoke := func(want bool) {
		t.Helper()
		client := r.sessions(t, r.issuer.Session("user_otto", authtest.IssuedAt(now.now())))
		res, err := client.RevokeSession(t.Context(), r.revokeReq("ben"))
		if err != nil || len(res.GetRevocations()) != 1 || (res.GetRevokedSessionCount() == 1) != want {
			t.Fatalf("%v, error %v; want a new revocation: %v", res, err, want)
		}
		until := res.GetRevocations()[0].GetExpireTime().AsTime()
		if late := now.now().Add(settings.DefaultSessionRetention); until.Equal(late) != want {
			t.Errorf("it is forgotten at %v; want %v: %t", until, late, want)
		}
	}
	r.seen(t, map[string]string{"ben": r.issuer.Session("user_ben", authtest.With("sid", "ben"), authtest.IssuedAt(now.now()))})
	revoke(true)
	now.move(settings.DefaultSessionRetention/2 - time.Second)
	revoke(false)
	now.move(2 * time.Second)
	revoke(true)
	now.move(time.Second)
	revoke(false)
	now.move(settings.DefaultSessionRetention - 2*time.Second)
	for _, server := range []*running{r, nil} {
		if server == nil {
			server = r.again(t)
		}
		server.wantReason(t, "a token of the session", r.issuer.Session("user_ben", authtest.With("sid", "ben"), authtest.IssuedAt(now.now())), auth.TokenRevoked)
	}
}

// A session of which only older tokens were revoked goes on.
func TestASessionWhoseOldTokensWereRevokedCanBeRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	r.seen(t, map[string]string{"ben": r.issuer.Session("user_ben", authtest.With("sid", "ben"))})
	ofOld := r.ofSession("ben")
	ofOld.Extent = issuedBefore(time.Now().Add(-time.Hour))
	if _, err := r.revocations(t, otto).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{ofOld}}); err != nil {
		t.Fatal(err)
	}
	res, err := r.sessions(t, otto).RevokeSession(t.Context(), r.revokeReq("ben"))
	if err != nil || res.GetRevokedSessionCount() != 1 || res.GetRevocations()[0].GetIssuedBeforeTime() != nil {
		t.Errorf("%v, error %v; want a revocation", res, err)
	}
}

func TestASubjectIsSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	for by, subject := range map[string]string{"ada-2": "", "ada-1": "user_ada", "otto": "user_ada"} {
		t.Run("by "+by, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			r := start(t, withOperator, now.set)
			cast := r.cast()
			r.seen(t, cast)
			template := r.issuer.Session("user_ada", authtest.Without("sid"))
			req := r.subjectReq(subject)
			if subject == "" {
				req = subjectCurrent()
			}
			res, err := r.sessions(t, cast[by]).RevokeSubject(t.Context(), req)
			if err != nil || res.GetRevokedSessionCount() != 2 {
				t.Fatalf("%v, error %v; want 2 sessions", res, err)
			}
			now.move(10 * time.Second)
			soon := authtest.IssuedAt(now.now())
			for _, server := range []*running{r, nil} {
				if server == nil {
					server = r.again(t)
				}
				server.wantReason(t, "one session", cast["ada-1"], auth.TokenRevoked)
				server.wantReason(t, "another session", cast["ada-2"], auth.TokenRevoked)
				server.wantReason(t, "a token without session", template, auth.TokenRevoked)
				server.wantReason(t, "a newer token of a session", r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), soon), auth.TokenRevoked)
				server.wantAdmitted(t, "a new session", r.issuer.Session("user_ada", soon))
				server.wantAdmitted(t, "somebody else", cast["ben"])
			}
		})
	}
}

// Tokens of an issuer whose clock is ahead seem to come from the future, and are
// accepted within the skew.
func TestTokensOfAnIssuerWhoseClockIsAheadAreRevokedToo(t *testing.T) {
	t.Parallel()
	tokens := func(target store.Target) func(*testing.T, *running) error {
		return func(t *testing.T, r *running) error {
			t.Helper()
			target := target // the tests run at the same time
			target.Issuer = r.issuer.URL()
			_, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
				Revocations: []*revocationv1.NewRevocation{{Target: targetMessage(target)}},
			})
			return err
		}
	}
	for how, revoke := range map[string]func(*testing.T, *running) error{
		"RevokeSubject": func(t *testing.T, r *running) error {
			t.Helper()
			_, err := r.sessions(t, r.issuer.Session("user_ada")).RevokeSubject(t.Context(), subjectCurrent())
			return err
		},
		"RevokeTokens of a subject":       tokens(store.Target{Kind: "subject", Value: "user_ada"}),
		"RevokeTokens of an organization": tokens(store.Target{Kind: "organization", Value: "org_acme"}),
		"RevokeTokens of a member":        tokens(store.Target{Kind: "member", Value: "org_acme", Subject: "user_ada"}),
		"RevokeTokens of an issuer":       tokens(store.Target{Kind: "issuer"}),
	} {
		for setting, skew := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Minute: time.Minute, -1: 0} {
			t.Run(fmt.Sprintf("%s with a skew of %s", how, skew), func(t *testing.T) {
				t.Parallel()
				now := newClock()
				r := start(t, withOperator, now.set, func(c *settings.Config) { c.Issuers[0].Skew = setting })
				issued := func(at time.Time) string {
					return r.issuer.Session("user_ada", authtest.IssuedAt(at), authtest.ExpiresIn(time.Hour), authtest.Without("sid"), authtest.InOrganization("org_acme", "acme", "member"))
				}
				// Their session has never been seen, nor have they one.
				old, ahead := issued(now.now().Add(-time.Minute)), issued(now.now().Add(skew))
				r.wantAdmitted(t, "a token of the clock that is ahead", ahead)
				if err := revoke(t, r); err != nil {
					t.Fatal(err)
				}
				r.wantReason(t, "a token from before", old, auth.TokenRevoked)
				r.wantReason(t, "a token of the clock that is ahead", ahead, auth.TokenRevoked)
				r.wantReason(t, "a token from right now, as after signing in at once", issued(now.now()), auth.TokenRevoked)
				now.move(skew + time.Second)
				r.wantAdmitted(t, "a token from after that", issued(now.now()))
				r.wantReason(t, "a token of the clock that was ahead", ahead, auth.TokenRevoked)
			})
		}
	}
}

func TestOnlyAnOperatorSignsOthersOut(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for protocol, tr := range r.transports() {
		elsewhere := r.subjectReq("user_ada") // somebody else by the same name
		elsewhere.GetSubject().Issuer = "https://other"
		for _, req := range []*sessionv1.RevokeSubjectRequest{
			r.subjectReq("user_ben"),    // whom an administrator sees
			r.subjectReq("user_cleo"),   // whom she does not
			r.subjectReq("user_nobody"), // who never was
			elsewhere,
		} {
			_, err := tr.sessions(t, cast["ada-1"]).RevokeSubject(t.Context(), req)
			if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.PermissionRequired {
				t.Errorf("%v over %s: %v; want %v", req, protocol, err, auth.PermissionRequired)
			}
		}
	}
}

func TestAnotherServerOnTheSameDatabaseAppliesARevocation(t *testing.T) {
	t.Parallel()
	one := start(t)
	other := start(t, func(c *settings.Config) { c.DataDir, c.Issuers = one.config.DataDir, one.config.Issuers })
	token := one.issuer.Session("user_ada")
	other.wantAdmitted(t, "the token before", token)
	if _, err := one.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other server refuses it", func() bool {
		_, err := other.native(t.Context(), t, token)
		reason, _ := reasonOf(err)
		return reason == auth.TokenRevoked
	})
}

func TestARevocationThatCannotBeSavedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	r.database(t, `CREATE TRIGGER disk_full BEFORE INSERT ON revocations BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`)
	for protocol, tr := range r.transports() {
		_, err := tr.sessions(t, token).RevokeSession(t.Context(), revokeCurrent())
		if connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: %v; want unavailable", protocol, err)
		}
	}
	r.wantAdmitted(t, "the token, which was not revoked", token)
	if !contains(r.log, "level=ERROR", "the store fails", "the disk is full") {
		t.Error("the log does not say why")
	}
}

func TestAnOpenStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	streams := r.watch(t, token)
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	for protocol, stream := range streams {
		_, err := stream.next()
		if reason, ok := reasonOf(err); !ok || reason != auth.TokenRevoked {
			t.Errorf("%s ended with %v; want %v", protocol, err, auth.TokenRevoked)
		}
	}
}

func TestATimeThatIsNoneOrLiesInTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withOperator, now.set)
	latest := r.ledger.IssuedByNow(r.issuer.URL()).Add(maxAhead)
	for _, test := range []struct {
		at   time.Time
		want connect.Code
	}{
		{time.UnixMicro(1), 0}, {time.UnixMicro(0), connect.CodeInvalidArgument}, {time.UnixMicro(-1), connect.CodeInvalidArgument},
		{latest, 0}, {latest.Add(time.Nanosecond), connect.CodeInvalidArgument},
	} {
		revocation := r.ofSession("sess_1")
		revocation.Extent = issuedBefore(test.at)
		_, err := r.revocations(t, r.issuer.Session("user_otto", authtest.IssuedAt(now.now()))).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{revocation}})
		if got := connect.CodeOf(err); err == nil && test.want != 0 || err != nil && got != test.want {
			t.Errorf("%v: %v; want %v", test.at, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), "must be later than 1970-01-01T00:00:00Z, and not in the future") {
			t.Errorf("%v: %v", test.at, err)
		}
	}
}
