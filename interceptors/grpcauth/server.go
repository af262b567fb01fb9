package grpcauth

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Server is a grpc.Server of which every method is guarded, in whichever package it is registered:
//
//	server := grpcauth.NewServer(guard)
//	invoicev1.RegisterInvoiceServiceServer(server, service)
//	err := server.Serve(listener)
//
// It has the interceptors of this package, before those of the options, and a [Gate]
// for what is registered with it. Serve refuses to start if a method has no rule.
type Server struct {
	*grpc.Server

	guard *auth.Guard
	gate  grpc.ServiceRegistrar
}

// NewServer returns a Server. The options are those of grpc.NewServer, and those of a
// [Gate], such as [RequestTimeout]. Use the chaining ones for interceptors. They come after
// the guard's, whatever the order of the options: they find the caller's identity in their
// context, and do not see what the guard refuses, which its Observer does. Those that are
// to see it as well stand before [ShowRefusals].
//
// It panics on grpc.UnaryInterceptor and grpc.StreamInterceptor: grpc-go puts these before
// all of the chain, wherever they stand.
//
// With a nil Guard every call is refused.
func NewServer(guard *auth.Guard, options ...grpc.ServerOption) *Server {
	guard = orRefuseAll(guard)
	var before []grpc.ServerOption
	var gateOptions []GateOption
	for i, option := range options {
		if o, ok := option.(GateOption); ok {
			gateOptions = append(gateOptions, o)
		}
		if _, ok := option.(showRefusals); ok {
			before = options[:i]
		}
	}
	server := newServer(slices.Concat(
		[]grpc.ServerOption{grpc.UnaryInterceptor(passUnary), grpc.StreamInterceptor(passStream)},
		before,
		[]grpc.ServerOption{
			grpc.ChainUnaryInterceptor(UnaryServerInterceptor(guard)),
			grpc.ChainStreamInterceptor(StreamServerInterceptor(guard)),
		},
		options[len(before):],
	))
	s := &Server{Server: server, guard: guard, gate: Gate(server, guard, gateOptions...)}
	guard.MarkGuarded(s) // for httpauth.RequireGuard, in front of ServeHTTP
	return s
}

// passUnary and passStream do nothing. They stand first, where grpc-go has place for one of
// each, so that no option puts another there.
func passUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(ctx, req)
}

func passStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(server, stream)
}

// newServer is grpc.NewServer, with a remedy for what it panics on.
func newServer(options []grpc.ServerOption) *grpc.Server {
	defer func() {
		p := recover()
		if text, ok := p.(string); ok && strings.Contains(text, "server interceptor was already set") {
			panic("grpcauth: NewServer: grpc.UnaryInterceptor and grpc.StreamInterceptor would put an interceptor before the guard's; give it by grpc.ChainUnaryInterceptor or grpc.ChainStreamInterceptor")
		}
		if p != nil {
			panic(p)
		}
	}()
	return grpc.NewServer(options...)
}

// RegisterService implements grpc.ServiceRegistrar.
func (s *Server) RegisterService(service *grpc.ServiceDesc, impl any) {
	s.gate.RegisterService(service, impl)
}

// Serve is grpc.Server.Serve. Where a method is registered that has no rule, it returns
// an error that names every such method, and serves nothing. The guard's Logger has got a
// line for each when it was registered.
func (s *Server) Serve(listener net.Listener) error {
	if err := CheckRules(s.Server, s.guard); err != nil {
		return err
	}
	return s.Server.Serve(listener)
}

// CheckRules returns an error that names every method that is registered with the
// server and has no rule: every call of it would be refused. Call it when everything is
// registered.
func CheckRules(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}, guard *auth.Guard) error {
	var missing []string
	services := server.GetServiceInfo()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for _, method := range services[name].Methods {
			procedure := "/" + name + "/" + method.Name
			if guard == nil || guard.Policy == nil || guard.Policy.Rule(procedure) == nil {
				missing = append(missing, procedure)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no rule for %s: write one in the schema (ostiary.policy.v1.rule), or give it by policy.Override or policy.OverrideService",
			strings.Join(missing, ", "))
	}
	return nil
}
