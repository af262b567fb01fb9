// Connect serves the invoices with connect-go: Connect, gRPC-Web and gRPC on one port.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/examples/gen/acme/invoice/v1/invoicev1connect"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

func main() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "localhost:8000")
	if err != nil {
		log.Fatal(err)
	}
	// The zero Config accepts the tokens of "ostiary dev". docs/providers.md has those of others.
	log.Fatal(serve(listener, ostiary.Config{}))
}

func serve(listener net.Listener, config ostiary.Config) error {
	service := invoice.Service{}
	mux := http.NewServeMux()
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}

	guard, err := ostiary.New(config)
	if err != nil {
		return err
	}
	defer guard.Close()
	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
	server.Handler = httpauth.RequireGuard(guard, mux) // refuses what was mounted without a guard

	return server.Serve(listener)
}
