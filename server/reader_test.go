package server

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// Where longer tokens are accepted, the ids in them can be named.
func TestTheLongestIDOfATokenCanBeRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *Config) { c.Issuers[0].MaxTokenBytes = MaxTokenBytesLimit })
	long := strings.Repeat("s", 16<<10)
	token := r.issuer.Session("user_ada", authtest.With("sid", long))
	r.seen(t, map[string]string{long: token})
	if _, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), r.revokeReq(long)); err != nil {
		t.Fatal(err)
	}
	r.wantReason(t, "a session with a long id", token, auth.TokenRevoked)
}
