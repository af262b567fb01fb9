package server

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A user who was signed out and signs in again within the skew learns when that works.
func TestWhoSignsInAgainAtOnceLearnsHowLongToWait(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	old := r.issuer.Session("user_ada", authtest.With("sid", "old"))
	r.seen(t, map[string]string{"old": old})
	if _, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSubject(t.Context(), r.subjectReq("user_ada")); err != nil {
		t.Fatal(err)
	}
	again := r.issuer.Session("user_ada", authtest.With("sid", "new"))
	for protocol, call := range r.protocols() {
		_, err := call(t.Context(), t, again)
		delay := detailOf[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration()
		if reason, _ := reasonOf(err); reason != auth.TokenRevoked || delay <= 0 || delay > 7*time.Second || !strings.Contains(err.Error(), "in a few seconds") {
			t.Errorf("a new session over %s: %v, retry after %v; want TOKEN_REVOKED, and to wait up to 7 s", protocol, err, delay)
		}
		_, err = call(t.Context(), t, old)
		if reason, _ := reasonOf(err); reason != auth.TokenRevoked || detailOf[*errdetails.RetryInfo](err) != nil {
			t.Errorf("the session that was ended over %s: %v; want TOKEN_REVOKED, and nothing to wait for", protocol, err)
		}
	}
}
