package httpauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ostiary/ostiary"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// export is the name that the rule of the download goes by.
const export = "/acme.invoice.v1.Files/Export"

// exportInvoices is a handler like any other: it reads who is calling from its
// request's context.
func exportInvoices(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "the invoices of %s", auth.MustFromContext(r.Context()).Subject)
}

func Example() {
	issuer, stop := startIssuer() // in production your provider
	defer stop()
	mux := http.NewServeMux()

	config := ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"}
	config.Rules = append(config.Rules, policy.Override(export, policy.Require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}})))
	guard, err := ostiary.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	mux.Handle("GET /export", httpauth.Protect(guard, export, http.HandlerFunc(exportInvoices)))
	handler := httpauth.RequireGuard(guard, mux) // refuses what was mounted without a guard

	get := func(bearer string) {
		request := httptest.NewRequest(http.MethodGet, "/export", nil)
		if bearer != "" {
			request.Header.Set("Authorization", "Bearer "+bearer)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(answer.Code, answer.Header()["Www-Authenticate"])
	}
	get(issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:read")))
	get(issuer.Session("user_ben"))
	get("")
	// Output:
	// 200 []
	// 403 []
	// 401 [Bearer]
}

// startIssuer starts an issuer of tokens for this example.
func startIssuer() (issuer *authtest.Issuer, stop func()) {
	server := httptest.NewUnstartedServer(nil)
	issuer = authtest.New("http://" + server.Listener.Addr().String())
	server.Config.Handler = issuer
	server.Start()
	return issuer, server.Close
}
