package signals

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A program of one's own with the webhooks of Clerk: the request that waits ends with
// the word of Clerk.
func TestASignOutAtClerkEndsWhatIsOpen(t *testing.T) {
	t.Parallel()
	const updates = "/acme.invoice.v1.Files/Updates"
	rule := policy.Override(updates, policy.Authenticated())
	for name, body := range map[string]func(id *auth.Identity) string{
		"a session that ends": func(id *auth.Identity) string {
			return event("session.ended", fmt.Sprintf(`{"id":%q,"user_id":%q}`, id.SessionID, id.Subject))
		},
		"a user who is banned": func(id *auth.Identity) string {
			return fmt.Sprintf(`{"type":"user.updated","timestamp":%d,"data":{"id":%q,"banned":true}}`, time.Now().UnixMilli(), id.Subject)
		},
		"a user who is deleted": func(id *auth.Identity) string {
			return event("user.deleted", fmt.Sprintf(`{"id":%q,"deleted":true}`, id.Subject))
		},
		"a member who is removed": func(id *auth.Identity) string {
			return fmt.Sprintf(`{"type":"organizationMembership.deleted","timestamp":%d,"data":{"organization":{"id":%q},"public_user_data":{"user_id":%q}}}`,
				time.Now().UnixMilli(), id.Organization.ID, id.Subject)
		},
		"an organization that is deleted": func(id *auth.Identity) string {
			return event("organization.deleted", fmt.Sprintf(`{"id":%q,"deleted":true}`, id.Organization.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard, issuer := authtest.Guard(t, rule)
			list, ok := guard.Revocations.(*revocation.List)
			if !ok {
				t.Fatal("the guard has another list")
			}
			hooks := newClerk(t, ToList(list), func(c *ClerkConfig) { c.Issuer, c.Now = issuer.URL(), nil })
			open, ended := make(chan *auth.Identity, 1), make(chan error, 1)
			mux := http.NewServeMux()
			mux.Handle("POST /signals/clerk", hooks)
			mux.Handle("GET /updates", httpauth.Protect(guard, updates, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				open <- auth.MustFromContext(r.Context())
				<-r.Context().Done()
				ended <- context.Cause(r.Context())
			})))
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			bearer := issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "member"))
			get := func() int {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/updates", http.NoBody)
				if err != nil {
					t.Error(err)
					return 0
				}
				request.Header.Set("Authorization", "Bearer "+bearer)
				response, err := server.Client().Do(request)
				if err != nil {
					t.Error(err)
					return 0
				}
				defer response.Body.Close()
				return response.StatusCode
			}
			status := make(chan int, 1)
			go func() { status <- get() }()
			message := body(<-open)
			at := time.Now().Unix()
			if w := post(t, hooks, headers(svix, "msg_1", at, "v1,"+hmacOf("msg_1", at, message)), message); w.Code != http.StatusOK {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			if reason, _ := auth.ReasonOf(<-ended); reason != auth.TokenRevoked {
				t.Errorf("it ended with %v; want TOKEN_REVOKED", reason)
			}
			if got := <-status; got != http.StatusUnauthorized {
				t.Errorf("the open request was answered %d; want 401", got)
			}
			if got := get(); got != http.StatusUnauthorized {
				t.Errorf("the next request was answered %d; want 401", got)
			}
		})
	}
}
