package server

import (
	"testing"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// An administrator who is one no longer sees no more of the organization, in a
// stream that goes on.
func TestAWatchShowsNoMoreThanTheNewestTokenMaySee(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			cast := r.cast()
			issued := time.Now().Truncate(time.Second)
			mint := func(after time.Duration, role string) string {
				return r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), authtest.InOrganization("org_acme", "acme", role),
					authtest.IssuedAt(issued.Add(after)), authtest.ExpiresIn(time.Minute))
			}
			happen := func(session, token string) {
				t.Helper()
				r.seen(t, map[string]string{session: token})
				r.ledger.Flush(t.Context())
			}
			admin := mint(-3*time.Second, "admin")
			happen("ada-1", admin)
			watch := r.transports()[protocol].watchSessions(t, admin)
			happen("ben", cast["ben"])
			wantEvents(t, "the administrator", watch, "EVENT_SEEN ben")
			happen("ada-1", mint(-2*time.Second, "member"))
			wantEvents(t, "the member", watch, "EVENT_RENEWED ada-1")
			if _, err := r.sessions(t, cast["ben"]).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{}); err != nil {
				t.Fatal(err)
			}
			happen("bea", r.issuer.Session("user_bea", authtest.With("sid", "bea"), authtest.InOrganization("org_acme", "acme", "member")))
			happen("ada-2", cast["ada-2"])
			wantEvents(t, "the member", watch, "EVENT_SEEN ada-2")
		})
	}
}
