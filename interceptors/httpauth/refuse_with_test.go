package httpauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// TestARefusalCanHaveAFormOfItsOwn refuses before the handler, and in it.
func TestARefusalCanHaveAFormOfItsOwn(t *testing.T) {
	t.Parallel()
	problem := httpauth.RefuseWith(func(w http.ResponseWriter, r *http.Request, refusal *auth.Error) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("WWW-Authenticate", "of no use")
		_, _ = fmt.Fprintf(w, `{"title":%q,"instance":%q}`, refusal.Reason, r.URL.Path)
	})
	for name, test := range map[string]struct {
		token   string
		handler http.HandlerFunc
		status  int
		want    auth.Reason
	}{
		"before the handler": {status: http.StatusUnauthorized, want: auth.TokenMissing},
		"by the handler": {"good-token", func(w http.ResponseWriter, _ *http.Request) {
			httpauth.Error(w, auth.NewError(auth.ScopeRequired, nil))
		}, http.StatusForbidden, auth.ScopeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "/export", nil)
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			httpauth.Protect(newGuard(nil), procedure, test.handler, problem).ServeHTTP(w, r)
			refusal := auth.NewError(test.want, nil)
			if w.Code != test.status || w.Header().Get("Content-Type") != "application/problem+json" ||
				w.Header().Get("WWW-Authenticate") != refusal.Challenge() || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if body, _ := io.ReadAll(w.Body); string(body) != fmt.Sprintf(`{"title":%q,"instance":"/export"}`, test.want) {
				t.Errorf("the body is %s", body)
			}
		})
	}
}
