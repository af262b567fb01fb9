// Package guarded puts a guard that admits everybody into the servers of Connect's
// conformance suite. The script run copies it into a copy of the suite.
package guarded

import (
	"context"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// guard is nil where the servers are to run without one. With GUARD=deny it admits
// nobody, which shows that it is asked.
var guard = func() *auth.Guard {
	switch os.Getenv("GUARD") {
	case "":
		return nil
	case "deny":
		return &auth.Guard{}
	default:
		return &auth.Guard{Authenticator: everybody{}, Policy: everybody{}}
	}
}()

type everybody struct{}

func (everybody) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	now := time.Now()
	return &auth.Identity{
		Issuer: "https://issuer.test", Subject: "ada", SessionID: "session_1", Kind: auth.KindSession,
		IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}, nil
}

func (everybody) Rule(string) auth.Rule      { return everybody{} }
func (everybody) Check(*auth.Identity) error { return nil }

// Handler guards connect-go.
func Handler() connect.HandlerOption {
	if guard == nil {
		return connect.WithHandlerOptions()
	}
	return connectauth.WithGuard(guard)
}

// Abortable is connectauth.Abortable.
func Abortable(handler http.Handler) http.Handler {
	if guard == nil {
		return handler
	}
	return connectauth.Abortable(handler)
}

// Unary guards grpc-go; so do Stream and Registrar.
func Unary(outer grpc.UnaryServerInterceptor) grpc.ServerOption {
	if guard == nil {
		return grpc.UnaryInterceptor(outer)
	}
	return grpc.ChainUnaryInterceptor(outer, grpcauth.UnaryServerInterceptor(guard))
}

// Stream guards grpc-go; so do Unary and Registrar.
func Stream(outer grpc.StreamServerInterceptor) grpc.ServerOption {
	if guard == nil {
		return grpc.StreamInterceptor(outer)
	}
	return grpc.ChainStreamInterceptor(outer, grpcauth.StreamServerInterceptor(guard))
}

// Registrar guards grpc-go; so do Unary and Stream.
func Registrar(registrar grpc.ServiceRegistrar) grpc.ServiceRegistrar {
	if guard == nil {
		return registrar
	}
	return grpcauth.Gate(registrar, guard)
}
