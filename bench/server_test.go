package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"

	"connectrpc.com/authn"
	"connectrpc.com/connect"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	grpcmiddleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/verifiers"
)

// The service does as little as a service can, so that everything around it
// weighs the most.
const (
	serviceName      = "ostiary.bench.v1.EchoService"
	unaryProcedure   = "/" + serviceName + "/Unary"   // text for text
	receiveProcedure = "/" + serviceName + "/Receive" // a number for that many texts, -1 for one text and then no end
	sendProcedure    = "/" + serviceName + "/Send"    // texts for their number
)

type message = wrapperspb.StringValue

func text(s string) *message      { return wrapperspb.String(s) }
func number(n int) *message       { return text(strconv.Itoa(n)) }
func numberOf(m *message) (n int) { n, _ = strconv.Atoi(m.GetValue()); return n }

// quickFox is what is sent, about as long as the smaller messages of real services.
const quickFox = "the quick brown fox jumps over the lazy dog"

func unary(_ context.Context, request *message) (*message, error) { return request, nil }

func receive(ctx context.Context, request *message, send func(*message) error) error {
	n, m := numberOf(request), text(quickFox)
	for range max(1, n) {
		if err := send(m); err != nil {
			return err
		}
	}
	if n < 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// A server serves the service in this process, where its cost is measured.
type server struct {
	address string
	revoked *revocation.List
}

// serve starts a server with one of these guards: "no auth", "ostiary",
// "ostiary, cold" and the names of peers.
func serve(tb testing.TB, transport, guard string, trust issuer.Trust) server {
	tb.Helper()
	s := server{revoked: revocation.New(revocation.Config{})}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.address = listener.Addr().String()
	verify, err := verifiers.GolangJWT(tb.Context(), trust)
	if err != nil {
		tb.Fatal(err)
	}
	ours := func() *auth.Guard { return s.guard(tb, guard, trust) }
	if transport == "grpc-go" {
		g := grpcServer(tb, guard, verify, ours)
		go func() { _ = g.Serve(listener) }()
		tb.Cleanup(g.Stop)
		return s
	}
	handler := http.Handler(http.HandlerFunc(echoHTTP))
	switch {
	case transport == "net/http" && guard != "no auth":
		handler = httpauth.Protect(ours(), unaryProcedure, handler)
	case transport == "connect-go":
		handler = connectHandler(tb, guard, verify, ours, trust)
	}
	h := &http.Server{Handler: handler, Protocols: unencryptedHTTP2()}
	go func() { _ = h.Serve(listener) }()
	tb.Cleanup(func() { _ = h.Close() })
	return s
}

// guard makes ostiary's. Its rule asks for more than any peer checks.
func (s server) guard(tb testing.TB, guard string, trust issuer.Trust) *auth.Guard {
	tb.Helper()
	var config token.Config
	if guard == "ostiary, cold" {
		config.CacheEntries = -1
	}
	keys, err := verifiers.Keys(tb.Context(), trust)
	if err != nil {
		tb.Fatal(err)
	}
	verifier, err := verifiers.NewOurs(trust, keys, config)
	if err != nil {
		tb.Fatal(err)
	}
	rule := require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}})
	rules := newPolicy(tb, policy.Override(unaryProcedure, rule), policy.Override(receiveProcedure, rule), policy.Override(sendProcedure, rule))
	return &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: s.revoked}
}

func unencryptedHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

func echoHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.Copy(w, r.Body)
}

// connectHandler is the service with its guard, inside connect or around it.
func connectHandler(tb testing.TB, guard string, verify verifiers.Verify, ours func() *auth.Guard, trust issuer.Trust) http.Handler {
	tb.Helper()
	switch guard {
	case "no auth":
		return echoConnect()
	case "ostiary", "ostiary, cold":
		return echoConnect(connectauth.WithGuard(ours()))
	case "authn-go + golang-jwt":
		return authn.NewMiddleware(func(ctx context.Context, request *http.Request) (any, error) {
			token, _ := authn.BearerToken(request) // an empty one is refused
			if err := verify(ctx, token); err != nil {
				return nil, authn.Errorf("%w", err)
			}
			return token, nil
		}).Wrap(echoConnect())
	case "clerk-sdk-go's middleware":
		return clerkhttp.RequireHeaderAuthorization(
			clerkhttp.JSONWebKey(string(trust.PEM)), clerkhttp.AuthorizedPartyMatches(issuer.Party),
		)(echoConnect())
	default:
		tb.Fatalf("no guard %q for connect-go", guard)
		return nil
	}
}

// echoConnect leaves small messages uncompressed, as any careful server does:
// otherwise gzip is what would be measured.
func echoConnect(options ...connect.HandlerOption) http.Handler {
	options = append(options, connect.WithCompressMinBytes(1024))
	mux := http.NewServeMux()
	mux.Handle(unaryProcedure, connect.NewUnaryHandlerSimple(unaryProcedure, unary, options...))
	mux.Handle(receiveProcedure, connect.NewServerStreamHandlerSimple(receiveProcedure,
		func(ctx context.Context, request *message, stream *connect.ServerStream[message]) error {
			return receive(ctx, request, stream.Send)
		}, options...))
	mux.Handle(sendProcedure, connect.NewClientStreamHandlerSimple(sendProcedure,
		func(_ context.Context, stream *connect.ClientStream[message]) (*message, error) {
			count := 0
			for stream.Receive() {
				count++
			}
			return number(count), stream.Err()
		}, options...))
	return mux
}

func grpcServer(tb testing.TB, guard string, verify verifiers.Verify, ours func() *auth.Guard) *grpc.Server {
	tb.Helper()
	options := func(unary grpc.UnaryServerInterceptor, stream grpc.StreamServerInterceptor) []grpc.ServerOption {
		return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}
	}
	var server *grpc.Server
	switch guard {
	case "no auth":
		server = grpc.NewServer()
	case "ostiary", "ostiary, cold":
		guard := ours()
		server = grpc.NewServer(options(grpcauth.UnaryServerInterceptor(guard), grpcauth.StreamServerInterceptor(guard))...)
		grpcauth.Gate(server, guard).RegisterService(&echoGRPC, nil)
		return server
	case "go-grpc-middleware + golang-jwt":
		check := bearerMetadata(verify)
		server = grpc.NewServer(options(grpcmiddleware.UnaryServerInterceptor(check), grpcmiddleware.StreamServerInterceptor(check))...)
	default:
		tb.Fatalf("no guard %q for grpc-go", guard)
	}
	server.RegisterService(&echoGRPC, nil)
	return server
}

type tokenKey struct{}

func bearerMetadata(verify verifiers.Verify) grpcmiddleware.AuthFunc {
	return func(ctx context.Context) (context.Context, error) {
		token, err := grpcmiddleware.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		if err := verify(ctx, token); err != nil {
			return nil, status.Error(codes.Unauthenticated, err.Error())
		}
		return context.WithValue(ctx, tokenKey{}, token), nil
	}
}

// echoGRPC does what generated code would: there is no schema here, and the
// implementation has no state.
var echoGRPC = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		request := new(message)
		if err := decode(request); err != nil {
			return nil, err
		}
		if interceptor == nil {
			return unary(ctx, request)
		}
		return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: server, FullMethod: unaryProcedure},
			func(ctx context.Context, request any) (any, error) { return unary(ctx, request.(*message)) })
	}}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Receive", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			request := new(message)
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			return receive(stream.Context(), request, func(m *message) error { return stream.SendMsg(m) })
		}},
		{StreamName: "Send", ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for count := 0; ; count++ {
				if err := stream.RecvMsg(new(message)); errors.Is(err, io.EOF) {
					return stream.SendMsg(number(count))
				} else if err != nil {
					return err
				}
			}
		}},
	},
}
