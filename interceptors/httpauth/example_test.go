package httpauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

// export is the name that the rule of the download goes by.
const export = "/acme.invoice.v1.Files/Export"

// exportInvoices is a handler like any other: it reads who is calling from its
// request's context.
func exportInvoices(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "the invoices of %s", auth.MustFromContext(r.Context()).Subject)
}

// newMux is all that it takes to guard a handler.
func newMux(issuer string, keys jwks.Set) (*http.ServeMux, error) {
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer, Keys: keys, Profile: token.Clerk(), AllowAnyAudience: true,
	}}})
	if err != nil {
		return nil, err
	}
	rules, err := policy.New(policy.Override(export, &policyv1.Rule{Access: &policyv1.Rule_Require{
		Require: &policyv1.Require{AllPermissions: []string{"org:invoices:read"}},
	}}))
	if err != nil {
		return nil, err
	}
	guard := &auth.Guard{Authenticator: verifier, Policy: rules}
	mux := http.NewServeMux()
	mux.Handle("GET /export", httpauth.Protect(guard, export, http.HandlerFunc(exportInvoices)))
	return mux, nil
}

func Example() {
	// In production the keys are jwks.NewRemote's; here an issuer made for tests
	// hands its one over.
	issuer := authtest.New("https://clerk.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	mux, err := newMux(issuer.URL(), keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	get := func(bearer string) {
		request := httptest.NewRequest(http.MethodGet, "/export", nil)
		if bearer != "" {
			request.Header.Set("Authorization", "Bearer "+bearer)
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		body, _, _ := strings.Cut(answer.Body.String(), `,"details"`)
		fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"), body)
	}
	get(issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:read")))
	get("")
	// Output:
	// 200  the invoices of user_ada
	// 401 Bearer {"code":"unauthenticated","message":"send a bearer token in the Authorization header"
}
