// Gateway serves the shipments with grpc-go, and with grpc-gateway as HTTP and JSON, from one
// process.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ostiary/ostiary"
	shipmentv1 "github.com/ostiary/ostiary/examples/gen/acme/shipment/v1"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

func main() {
	forHTTP, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "localhost:8000")
	if err != nil {
		log.Fatal(err)
	}
	forGRPC, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "localhost:8001")
	if err != nil {
		log.Fatal(err)
	}
	// The zero Config accepts the tokens of "ostiary dev". docs/providers.md has those of others.
	log.Fatal(serve(forHTTP, forGRPC, ostiary.Config{}))
}

func serve(forHTTP, forGRPC net.Listener, config ostiary.Config) error {
	guard, err := ostiary.New(config)
	if err != nil {
		return err
	}
	defer guard.Close()
	calls := grpcauth.NewServer(guard)
	defer calls.Stop()
	shipmentv1.RegisterShipmentServiceServer(calls, shipments{})

	// The gateway calls the server in memory, with the caller's token, so every rule holds
	// for both alike. RelayRefusals answers refusals as HTTP asks, with WWW-Authenticate.
	inMemory := bufconn.Listen(1 << 20)
	conn, err := grpc.NewClient("passthrough:///in-memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return inMemory.DialContext(ctx) }))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the process ends
	mux := runtime.NewServeMux(gatewayauth.RelayRefusals())
	if err := shipmentv1.RegisterShipmentServiceHandler(context.Background(), mux, conn); err != nil {
		return err
	}
	gateway := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer gateway.Close() //nolint:errcheck // the process ends

	ended := make(chan error, 3)
	go func() { ended <- calls.Serve(inMemory) }()
	go func() { ended <- calls.Serve(forGRPC) }()
	go func() { ended <- gateway.Serve(forHTTP) }()
	return <-ended
}
