package invoice_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/invoice/v1/invoicev1connect"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// newClient returns a client of a server with this guard, which sends the token.
func newClient(t *testing.T, guard *auth.Guard, bearer string) invoicev1connect.InvoiceServiceClient {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(invoice.Service{}, connectauth.WithGuard(guard)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client, url, source := server.Client(), server.URL, authclient.StaticToken(bearer)

	invoices := invoicev1connect.NewInvoiceServiceClient(client, url, connectauth.WithToken(url, source))
	return invoices
}

func TestOnlyAdministratorsDelete(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t) // closed when the test ends

	ada := newClient(t, guard, issuer.Session("user_ada",
		authtest.InOrganization("org_acme", "acme", "admin", "invoices:delete")))
	if _, err := ada.DeleteInvoice(t.Context(), &invoicev1.DeleteInvoiceRequest{}); err != nil {
		t.Error(err)
	}

	ben := newClient(t, guard, issuer.Session("user_ben"))
	_, err := ben.DeleteInvoice(t.Context(), &invoicev1.DeleteInvoiceRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.PermissionRequired {
		t.Errorf("ben gets %v; want %v", err, auth.PermissionRequired)
	}
}

func TestAServiceAccountOfKeycloakLists(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.GuardFor(t, token.Issuer{
		Profile:   token.Keycloak(),
		Kinds:     []auth.TokenKind{auth.KindSession, auth.KindMachine},
		Audiences: []string{"invoices"},
	})
	job := newClient(t, guard, issuer.MachineOf("keycloak", "client_job", authtest.With("aud", "invoices")))
	if _, err := job.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{}); err != nil {
		t.Error(err)
	}
}

func TestARevokedSessionIsRefused(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t)
	ada := newClient(t, guard, issuer.Session("user_ada", authtest.With("sid", "sess_1")))
	revoked := guard.Revocations.(*revocation.List)
	err := revoked.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer.URL(), ID: "sess_1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ada.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.TokenRevoked {
		t.Errorf("ada gets %v; want %v", err, auth.TokenRevoked)
	}
}

// A test of a handler alone needs no guard.
func TestInvoicesAreTheCallers(t *testing.T) {
	t.Parallel()
	ctx := auth.NewContext(t.Context(), &auth.Identity{Subject: "user_ada"})
	invoices, err := invoice.Service{}.ListInvoices(ctx, &invoicev1.ListInvoicesRequest{})
	if err != nil || invoices.GetCustomer() != "user_ada" {
		t.Errorf("ListInvoices = %v, %v; want those of user_ada", invoices, err)
	}
}
