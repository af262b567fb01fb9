package server

import (
	"context"
	"strings"
	"testing"

	"connectrpc.com/connect"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

// A store that fails is UNAVAILABLE to callers, and never an empty answer; why it
// fails is for the log.
func TestAStoreThatFailsIsUnavailable(t *testing.T) {
	t.Parallel()
	const withoutSessions, withoutRevocations = "ALTER TABLE sessions RENAME TO gone", "ALTER TABLE revocations RENAME TO gone"
	for name, test := range map[string]struct {
		spoil string
		call  func(ctx context.Context, t *testing.T, tr endpoint, token string) error
	}{
		"ListSessions": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).ListSessions(ctx, &sessionv1.ListSessionsRequest{})
			return err
		}},
		"GetSession": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).GetSession(ctx, &sessionv1.GetSessionRequest{SessionId: "otto"})
			return err
		}},
		"RevokeSubject, which does not find the sessions": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSubject(ctx, &sessionv1.RevokeSubjectRequest{Subject: "user_ada"})
			return err
		}},
		"RevokeSubject, which is not kept": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSubject(ctx, &sessionv1.RevokeSubjectRequest{Subject: "user_ada"})
			return err
		}},
		"RevokeSession": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSession(ctx, &sessionv1.RevokeSessionRequest{SessionId: "ada"})
			return err
		}},
		"RevokeSession of one that was revoked before": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSession(ctx, &sessionv1.RevokeSessionRequest{SessionId: "before"})
			return err
		}},
		"RevokeTokens": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.revocations(t, token).RevokeTokens(ctx, &revocationv1.RevokeTokensRequest{Revocation: ofSession("ada")})
			return err
		}},
		"ListRevocations": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.revocations(t, token).ListRevocations(ctx, &revocationv1.ListRevocationsRequest{})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			otto := r.issuer.Session("user_otto")
			if _, err := r.sessions(t, otto).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{SessionId: "before"}); err != nil {
				t.Fatal(err)
			}
			r.database(t, test.spoil)
			for protocol, tr := range r.transports() {
				err := test.call(t.Context(), t, tr, otto)
				if connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "table") {
					t.Errorf("%s: %v; want unavailable, and no word of why", protocol, err)
				}
			}
			if !contains(r.log, "level=ERROR", "the store fails", "no such table") {
				t.Error("the log does not say why")
			}
			if test.spoil == withoutRevocations {
				eventually(t, "the log says that revocations cannot be read", func() bool {
					return contains(r.log, "level=ERROR", "cannot read what other processes have revoked", "no such table")
				})
			}
		})
	}
}
