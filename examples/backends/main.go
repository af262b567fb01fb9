// Backends serves what the console of ostiary shows and calls: invoices and deliveries with
// connect-go, for browsers, and invoices with grpc-go, whose schema is asked for by reflection.
//
//	go run ./backends -image shop.binpb          # and then, beside it, what it prints:
//	ostiary dev --backends shop=shop.binpb,shop=http://localhost:8000,native=http://localhost:8001
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/ostiary/ostiary"
	deliveryv1 "github.com/ostiary/ostiary/examples/gen/acme/delivery/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/delivery/v1/deliveryv1connect"
	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/invoice/v1/invoicev1connect"
	"github.com/ostiary/ostiary/examples/invoice"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

func main() {
	forBrowsers := flag.String("http", "localhost:8000", "the `address` of the server with connect-go")
	native := flag.String("grpc", "localhost:8001", "the `address` of the server with grpc-go")
	image := flag.String("image", "shop.binpb", "the `file` for the schema of the first, as buf build -o makes it")
	wait := flag.Bool("wait", false, "read the URLs of the issuer and of the console from standard input, once the addresses are printed")
	flag.Parse()
	if err := run(context.Background(), *forBrowsers, *native, *image, *wait); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, forBrowsers, native, image string, wait bool) error {
	if err := writeImage(image); err != nil {
		return err
	}
	browsers, err := new(net.ListenConfig).Listen(ctx, "tcp", forBrowsers)
	if err != nil {
		return err
	}
	services, err := new(net.ListenConfig).Listen(ctx, "tcp", native)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "ostiary dev --backends shop=%s,shop=http://%s,native=http://%s\n", image, browsers.Addr(), services.Addr())
	issuer, page := "http://localhost:8080", "http://localhost:8080" // both are ostiary dev
	if wait {
		if _, err := fmt.Fscan(os.Stdin, &issuer, &page); err != nil {
			return err
		}
	}
	guard, err := ostiary.New(ostiary.Config{Issuer: issuer, Profile: "clerk"}) //nolint:contextcheck // it is closed
	if err != nil {
		return err
	}
	defer guard.Close()
	ended := make(chan error, 2)
	go func() { ended <- serveBrowsers(browsers, guard, page) }()
	go func() { ended <- serveNative(services, guard) }() //nolint:contextcheck // each call has its own
	return <-ended
}

// serveBrowsers lets the pages of one origin call: the console.
func serveBrowsers(listener net.Listener, guard *auth.Guard, origin string) error {
	mux := http.NewServeMux()
	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(invoice.Service{}, connectauth.WithGuard(guard)))
	mux.Handle(deliveryv1connect.NewDeliveryServiceHandler(deliveries{}, connectauth.WithGuard(guard)))
	pages := cors.New(cors.Options{
		AllowedOrigins: []string{origin},
		AllowedMethods: connectcors.AllowedMethods(),
		AllowedHeaders: append(connectcors.AllowedHeaders(), "Authorization"),
		ExposedHeaders: append(connectcors.ExposedHeaders(), "WWW-Authenticate", "X-Request-Id"),
	})
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: pages.Handler(httpauth.RequireGuard(guard, mux)), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for grpcurl
	return server.Serve(listener)
}

// serveNative lets everybody read the schema.
func serveNative(listener net.Listener, guard *auth.Guard) error {
	server := grpcauth.NewServer(guard)
	invoicev1.RegisterInvoiceServiceServer(server, invoice.Service{})
	reflection.Register(server)
	return server.Serve(listener)
}

type deliveries struct{}

// WatchDeliveries sends a message every tenth of a second.
func (deliveries) WatchDeliveries(ctx context.Context, _ *deliveryv1.WatchDeliveriesRequest, stream *connect.ServerStream[deliveryv1.WatchDeliveriesResponse]) error {
	caller := auth.MustFromContext(ctx)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := stream.Send(&deliveryv1.WatchDeliveriesResponse{Customer: caller.Subject}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeImage writes the schema of the services for browsers. Projects have buf build -o do so.
func writeImage(path string) error {
	set := new(descriptorpb.FileDescriptorSet)
	added := make(map[string]bool)
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if added[file.Path()] {
			return
		}
		added[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(invoicev1.File_acme_invoice_v1_invoice_proto)
	add(deliveryv1.File_acme_delivery_v1_delivery_proto)
	image, err := proto.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(path, image, 0o600)
}
