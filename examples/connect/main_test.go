package main

import (
	"net"
	"net/http"
	"testing"

	"github.com/ostiary/ostiary"
	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/invoice/v1/invoicev1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// start serves as main does, with an issuer of its own, and returns the server's URL.
func start(t *testing.T) (string, *authtest.Issuer) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.Start(t)
	served := make(chan struct{})
	go func() {
		defer close(served)
		err := serve(listener, ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"})
		t.Log(err)
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-served
	})
	return "http://" + listener.Addr().String(), issuer
}

func TestCallersGetWhatTheRulesAllow(t *testing.T) {
	t.Parallel()
	url, issuer := start(t)
	as := func(token string) invoicev1connect.InvoiceServiceClient {
		return invoicev1connect.NewInvoiceServiceClient(new(http.Client), url,
			connectauth.WithToken(url, authclient.StaticToken(token)))
	}
	ada := as(issuer.Session("user_ada"))
	admin := as(issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:delete")))
	stranger := invoicev1connect.NewInvoiceServiceClient(new(http.Client), url)

	invoices, err := ada.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{})
	if err != nil || invoices.GetCustomer() != "user_ada" {
		t.Errorf("ada lists the invoices of %q, %v; want hers", invoices.GetCustomer(), err)
	}
	_, err = stranger.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.TokenMissing {
		t.Errorf("a stranger who lists invoices gets %v; want %v", err, auth.TokenMissing)
	}
	if _, err = stranger.GetPrices(t.Context(), &invoicev1.GetPricesRequest{}); err != nil {
		t.Errorf("a stranger does not get the prices: %v", err)
	}
	_, err = ada.DeleteInvoice(t.Context(), &invoicev1.DeleteInvoiceRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.PermissionRequired {
		t.Errorf("ada, who may not delete, gets %v; want %v", err, auth.PermissionRequired)
	}
	if _, err = admin.DeleteInvoice(t.Context(), &invoicev1.DeleteInvoiceRequest{}); err != nil {
		t.Errorf("an administrator cannot delete: %v", err)
	}
}
