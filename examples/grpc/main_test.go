package main

import (
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// start serves as main does, with an issuer of its own, and returns the server's address.
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
	return listener.Addr().String(), issuer
}

func dial(t *testing.T, addr string, options ...grpc.DialOption) invoicev1.InvoiceServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return invoicev1.NewInvoiceServiceClient(conn)
}

func TestCallersGetWhatTheRulesAllow(t *testing.T) {
	t.Parallel()
	addr, issuer := start(t)
	source := authclient.StaticToken(issuer.Session("user_ada"))
	ada := dial(t, addr, grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
	stranger := dial(t, addr)

	invoices, err := ada.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{})
	if err != nil || invoices.GetCustomer() != "user_ada" {
		t.Errorf("ada lists the invoices of %q, %v; want hers", invoices.GetCustomer(), err)
	}
	_, err = stranger.ListInvoices(t.Context(), &invoicev1.ListInvoicesRequest{})
	if reason, _ := grpcauth.ReasonOf(err); reason != auth.TokenMissing {
		t.Errorf("a stranger who lists invoices gets %v; want %v", err, auth.TokenMissing)
	}
	if _, err = stranger.GetPrices(t.Context(), &invoicev1.GetPricesRequest{}); err != nil {
		t.Errorf("a stranger does not get the prices: %v", err)
	}
	_, err = ada.DeleteInvoice(t.Context(), &invoicev1.DeleteInvoiceRequest{})
	if reason, _ := grpcauth.ReasonOf(err); reason != auth.PermissionRequired {
		t.Errorf("ada, who may not delete, gets %v; want %v", err, auth.PermissionRequired)
	}
}
