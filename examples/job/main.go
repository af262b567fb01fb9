// Job lists the invoices in its own name: a service that calls another one. It gets its
// tokens with client credentials (RFC 6749, section 4.4) from the provider, keeps each
// until shortly before it expires, and sends it with every call.
//
//	TOKEN_URL=https://example.eu.auth0.com/oauth/token CLIENT_ID=job CLIENT_SECRET=… AUDIENCE=invoices go run ./job
//
// The service that it calls accepts tokens of machines where its Kinds have auth.KindMachine.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

func main() {
	endpoint := authclient.TokenEndpoint{
		URL: os.Getenv("TOKEN_URL"), ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"),
	}
	target := authclient.TokenTarget{Audience: os.Getenv("AUDIENCE")}
	if err := list(context.Background(), os.Stdout, "localhost:8000", endpoint, target); err != nil {
		log.Fatal(err)
	}
}

func list(ctx context.Context, out io.Writer, addr string, endpoint authclient.TokenEndpoint, target authclient.TokenTarget) error {
	source, err := authclient.ClientCredentials(endpoint, target)
	if err != nil {
		return err
	}
	// Without TLS tokens are sent to this machine alone.
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	invoices, err := invoicev1.NewInvoiceServiceClient(conn).ListInvoices(ctx, &invoicev1.ListInvoicesRequest{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "the invoices of", invoices.GetCustomer(), invoices.GetInvoiceIds())
	return err
}
