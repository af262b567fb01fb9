package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// TestADownloadEndsWithItsToken is what docs/testing.md shows.
func TestADownloadEndsWithItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock goes on as soon as everything waits
		guard, issuer := authtest.Guard(t, policy.Override(export, policy.Authenticated()))
		began := time.Now()
		endless := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/export", nil)
		request.Header.Set("Authorization", "Bearer "+issuer.Session("user_ada"))
		answer := httptest.NewRecorder()
		httpauth.Protect(guard, export, endless).ServeHTTP(answer, request)
		if lived := time.Since(began); answer.Code != http.StatusUnauthorized || lived != 65*time.Second {
			t.Errorf("%d after %v; want 401 after the token's minute and 5 seconds of skew", answer.Code, lived)
		}
	})
}

// TestTokensThatAreRefused are those that docs/testing.md names.
func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t, policy.Override(export, policy.Authenticated()))
	forger := authtest.NewKey("RS256")
	for token, want := range map[string]auth.Reason{
		issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-time.Hour))):                        auth.TokenExpired,
		issuer.Session("user_ada", authtest.ExpiresIn(-time.Hour)):                                       auth.ClaimInvalid,
		issuer.Session("user_ada", authtest.SignedBy(forger)):                                            auth.KeyUnknown,
		issuer.Session("user_ada", authtest.SignedBy(forger), authtest.Header("kid", issuer.Key().ID())): auth.SignatureInvalid,
	} {
		header := http.Header{"Authorization": {"Bearer " + token}}
		_, err := guard.Admit(t.Context(), auth.Call{Procedure: export, Header: header})
		if reason, _ := auth.ReasonOf(err); reason != want {
			t.Errorf("%v; want %v", err, want)
		}
	}
}
