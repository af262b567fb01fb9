package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2"

	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/token"
)

// serveInvoices serves with grpc-go to users and machines of a provider, and returns the
// address and the provider.
func serveInvoices(t *testing.T) (string, *authtest.Issuer) {
	t.Helper()
	guard, issuer := authtest.GuardFor(t, token.Issuer{
		Profile:   token.Keycloak(),
		Kinds:     []auth.TokenKind{auth.KindSession, auth.KindMachine},
		Audiences: []string{"invoices"},
	})
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpcauth.NewServer(guard)
	invoicev1.RegisterInvoiceServiceServer(server, invoice.Service{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), issuer
}

// serveTokens is the provider's token endpoint, which knows the client job, and gives it
// tokens for what it asks for.
func serveTokens(t *testing.T, issuer *authtest.Issuer) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, ok := r.BasicAuth(); !ok || id != "job" || secret != "secret-of-job" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client"})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": issuer.MachineOf("keycloak", "client_job", authtest.With("aud", r.FormValue("audience"))),
			"token_type":   "Bearer", "expires_in": 300,
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheJobListsInItsOwnName(t *testing.T) {
	t.Parallel()
	addr, issuer := serveInvoices(t)
	endpoint := authclient.TokenEndpoint{URL: serveTokens(t, issuer), ClientID: "job", ClientSecret: "secret-of-job"}
	var out bytes.Buffer
	if err := list(t.Context(), &out, addr, endpoint, authclient.TokenTarget{Audience: "invoices"}); err != nil {
		t.Fatal(err)
	}
	if want := "the invoices of client_job [inv_1]\n"; out.String() != want {
		t.Errorf("the job prints %q; want %q", &out, want)
	}
}

func TestATokenForAnotherServiceIsRefused(t *testing.T) {
	t.Parallel()
	addr, issuer := serveInvoices(t)
	endpoint := authclient.TokenEndpoint{URL: serveTokens(t, issuer), ClientID: "job", ClientSecret: "secret-of-job"}
	err := list(t.Context(), new(bytes.Buffer), addr, endpoint, authclient.TokenTarget{Audience: "shipping"})
	if reason, _ := grpcauth.ReasonOf(err); reason != auth.AudienceMismatch {
		t.Errorf("the job gets %v; want %v", err, auth.AudienceMismatch)
	}
}

func TestAWrongSecretMakesNoCall(t *testing.T) {
	t.Parallel()
	addr, issuer := serveInvoices(t)
	endpoint := authclient.TokenEndpoint{URL: serveTokens(t, issuer), ClientID: "job", ClientSecret: "another", AuthStyle: oauth2.AuthStyleInHeader}
	err := list(t.Context(), new(bytes.Buffer), addr, endpoint, authclient.TokenTarget{Audience: "invoices"})
	if reason, ok := grpcauth.ReasonOf(err); err == nil || ok {
		t.Errorf("the job gets %v, %v; want an error of its own, from before the call", err, reason)
	}
}
