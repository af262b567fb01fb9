// Grpc serves the invoices with grpc-go.
package main

import (
	"context"
	"log"
	"log/slog"
	"net"

	"github.com/ostiary/ostiary"
	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
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
	options := observe(slog.Default())

	guard, err := ostiary.New(config)
	if err != nil {
		return err
	}
	defer guard.Close()
	server := grpcauth.NewServer(guard, options...) // those of grpc.NewServer
	invoicev1.RegisterInvoiceServiceServer(server, service)

	return server.Serve(listener)
}
