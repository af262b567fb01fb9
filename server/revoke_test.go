package server

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
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
func (r *running) again(t *testing.T) *running {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return start(t, func(c *Config) {
		c.DataDir, c.Issuers, c.OperatorSubjects = r.config.DataDir, r.config.Issuers, r.config.OperatorSubjects
	})
}

func TestARevokedSessionStaysRevoked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		by  string
		req *sessionv1.RevokeSessionRequest
	}{
		"by its own token":            {"ben", &sessionv1.RevokeSessionRequest{}},
		"by its own token, named":     {"ben", &sessionv1.RevokeSessionRequest{SessionId: "ben", Cause: "signed out"}},
		"by an administrator":         {"ada-1", &sessionv1.RevokeSessionRequest{SessionId: "ben"}},
		"by an operator":              {"otto", &sessionv1.RevokeSessionRequest{SessionId: "ben"}},
		"by an operator, before seen": {"otto", &sessionv1.RevokeSessionRequest{SessionId: "ben"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			cast := r.cast()
			if test.by == "ada-1" { // who must have seen it
				r.seen(t, cast)
			}
			res, err := r.sessions(t, cast[test.by]).RevokeSession(t.Context(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			got := res.GetRevocation()
			if got.GetTarget().GetId() != "ben" || got.GetCause() != test.req.GetCause() || got.GetSequence() < 1 ||
				got.GetRevokedBy().GetIssuer() != r.issuer.URL() {
				t.Errorf("revocation %v", got)
			}
			if left := time.Until(got.GetExpiresAt().AsTime()); left < DefaultSessionRetention-time.Minute {
				t.Errorf("it is forgotten in %s; want %s", left, DefaultSessionRetention)
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

func TestASessionIsRevokedOnce(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	for i := range 3 {
		res, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{SessionId: "ben"})
		if err != nil || (res.GetRevocation() != nil) != (i == 0) {
			t.Errorf("time %d: %v, error %v", i+1, res, err)
		}
	}
	kept, err := r.ledger.store.Revocations(t.Context(), 0, 10)
	if err != nil || len(kept) != 1 {
		t.Errorf("%d are kept, error %v; want 1", len(kept), err)
	}
}

func TestASubjectIsSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	for by, subject := range map[string]string{"ada-2": "", "ada-1": "user_ada", "otto": "user_ada"} {
		t.Run("by "+by, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			cast := r.cast()
			r.seen(t, cast)
			template := r.issuer.Session("user_ada", authtest.Without("sid"))
			res, err := r.sessions(t, cast[by]).RevokeSubject(t.Context(), &sessionv1.RevokeSubjectRequest{Subject: subject})
			if err != nil || res.GetSessions() != 2 {
				t.Fatalf("%v, error %v; want 2 sessions", res, err)
			}
			soon := authtest.IssuedAt(time.Now().Add(2 * time.Second))
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

func TestOnlyAnOperatorSignsOthersOut(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for protocol, tr := range r.transports() {
		for _, req := range []*sessionv1.RevokeSubjectRequest{
			{Subject: "user_ben"},     // whom an administrator sees
			{Subject: "user_cleo"},    // whom she does not
			{Subject: "user_nobody"},  // who never was
			{Issuer: "https://other"}, // somebody else by the same name
		} {
			_, err := tr.sessions(t, cast["ada-1"]).RevokeSubject(t.Context(), req)
			if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.PermissionRequired {
				t.Errorf("%v over %s: %v; want %v", req, protocol, err, auth.PermissionRequired)
			}
		}
	}
}

func TestAnotherServerOnTheSameDatabaseHearsOfARevocation(t *testing.T) {
	t.Parallel()
	one := start(t)
	other := start(t, func(c *Config) { c.DataDir, c.Issuers = one.config.DataDir, one.config.Issuers })
	token := one.issuer.Session("user_ada")
	other.wantAdmitted(t, "the token before", token)
	if _, err := one.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{}); err != nil {
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
	if err := r.ledger.store.Close(); err != nil {
		t.Fatal(err)
	}
	for protocol, tr := range r.transports() {
		_, err := tr.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{})
		if connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: %v; want unavailable", protocol, err)
		}
	}
	r.wantAdmitted(t, "the token, which was not revoked", token)
	if !contains(r.log, "level=ERROR", "the store fails") {
		t.Error("the log does not say why")
	}
}

func TestAnOpenStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	streams := r.watch(t, token)
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{}); err != nil {
		t.Fatal(err)
	}
	for protocol, stream := range streams {
		_, err := stream.next()
		if reason, ok := reasonOf(err); !ok || reason != auth.TokenRevoked {
			t.Errorf("%s ended with %v; want %v", protocol, err, auth.TokenRevoked)
		}
	}
}
