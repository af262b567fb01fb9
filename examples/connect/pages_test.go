package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"

	"github.com/ostiary/ostiary/examples/gen/acme/invoice/v1/invoicev1connect"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// A browser asks without a token whether a page may call, and shows the page a refusal only if the answer names it.
func TestPagesOfAnotherOriginCall(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t)
	mux := http.NewServeMux()
	server := &http.Server{}
	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(invoice.Service{}, connectauth.WithGuard(guard)))
	pages := cors.New(cors.Options{
		AllowedOrigins: []string{"http://localhost:3000"},
		AllowedMethods: connectcors.AllowedMethods(),
		AllowedHeaders: append(connectcors.AllowedHeaders(), "Authorization"),
		ExposedHeaders: append(connectcors.ExposedHeaders(), "WWW-Authenticate", "X-Request-Id"),
	})
	server.Handler = pages.Handler(httpauth.RequireGuard(guard, mux))

	for name, row := range map[string]struct {
		method, origin, token string
		status                int
		admitted              bool
	}{
		"the browser asks":                        {http.MethodOptions, "http://localhost:3000", "", http.StatusNoContent, true},
		"the browser asks for a page of a thief":  {http.MethodOptions, "http://thief.example", "", http.StatusNoContent, false},
		"the page calls with a token":             {http.MethodPost, "http://localhost:3000", issuer.Session("user_ada"), http.StatusOK, true},
		"the page can read that a token is asked": {http.MethodPost, "http://localhost:3000", "", http.StatusUnauthorized, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), row.method, invoicev1connect.InvoiceServiceListInvoicesProcedure, strings.NewReader("{}"))
			r.Header.Set("Origin", row.origin)
			r.Header.Set("Content-Type", "application/json")
			if row.method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", http.MethodPost)
				r.Header.Set("Access-Control-Request-Headers", "authorization,connect-protocol-version,content-type")
			}
			if row.token != "" {
				r.Header.Set("Authorization", "Bearer "+row.token)
			}
			answer := httptest.NewRecorder()
			server.Handler.ServeHTTP(answer, r)
			if admitted := answer.Header().Get("Access-Control-Allow-Origin") == row.origin; answer.Code != row.status || admitted != row.admitted {
				body, _ := io.ReadAll(answer.Body)
				t.Errorf("%d, the page may read it: %v; %s", answer.Code, admitted, body)
			}
		})
	}
}
