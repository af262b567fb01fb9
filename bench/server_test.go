package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"connectrpc.com/authn"
	"connectrpc.com/connect"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	grpcmiddleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// serverEnv is set in the process of a server, a child of the benchmark's: only
// what the server costs is counted.
const serverEnv = "OSTIARY_BENCH_SERVER"

// pipes are the child's standard input and output, over which its parent calls it.
type pipes struct {
	io.Reader
	io.WriteCloser
}

func serveParent() {
	check(rpc.RegisterName("Server", &Server{revocation.New(revocation.Config{})}))
	rpc.ServeConn(pipes{os.Stdin, os.Stdout})
}

// A child is a server in a process of its own.
type child struct {
	*rpc.Client
	transport, address string
}

func startServer(tb testing.TB, setup Setup) child {
	tb.Helper()
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), must(os.Executable()))
	command.Env, command.Stderr = append(os.Environ(), serverEnv+"=1"), os.Stderr
	c := child{Client: rpc.NewClient(pipes{must(command.StdoutPipe()), must(command.StdinPipe())}), transport: setup.Transport}
	check(command.Start())
	tb.Cleanup(func() { check(errors.Join(c.Close(), command.Wait())) })
	check(c.Call("Server.Start", setup, &c.address))
	return c
}

func (c child) usage(collect bool) (u Usage) {
	check(c.Call("Server.Usage", collect, &u))
	return u
}

// A Server serves the calls that are measured. Its exported methods are called by
// net/rpc.
type Server struct {
	revoked *revocation.List
}

// Setup says what to serve: connect-go, grpc-go or net-http, with "no auth",
// "ostiary", "ostiary, cold" or the name of a peer.
type Setup struct {
	Transport, Guard string
	Trust            Trust
}

// Start starts serving, and returns the address.
func (s *Server) Start(setup Setup, address *string) error {
	listener := must(new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"))
	*address = listener.Addr().String()
	server := s.server(setup)
	go func() { check(server.Serve(listener)) }()
	return nil
}

// Usage returns what this process uses: see usage.
func (s *Server) Usage(collect bool, u *Usage) error {
	*u = usage(collect)
	return nil
}

// Revoke revokes one user of each hundred of the first n.
func (s *Server) Revoke(n int, _ *struct{}) error {
	var all []revocation.Revocation
	for i := 0; i < n; i += perRevoked {
		all = append(all, revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuerURL, ID: id("user", i), Before: time.Now()})
	}
	return s.revoked.Add(all...)
}

func unencryptedHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

// server returns the service with its guard, inside the transport or around it.
func (s *Server) server(setup Setup) interface{ Serve(net.Listener) error } {
	var guard *auth.Guard
	if strings.HasPrefix(setup.Guard, "ostiary") { // its rule asks for more than any peer checks
		rule := require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}})
		rules := must(policy.New(policy.Override(unaryProcedure, rule), policy.Override(streamProcedure, rule)))
		verifier := newVerifier(setup.Trust, map[string]int{"ostiary, cold": -1}[setup.Guard])
		guard = &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: s.revoked}
	}
	if setup.Transport == "grpc-go" {
		return grpcServer(setup, guard)
	}
	handler := connectHandler()
	switch {
	case setup.Transport == "net-http" && guard == nil:
		handler = http.HandlerFunc(echo)
	case setup.Transport == "net-http":
		handler = httpauth.Protect(guard, unaryProcedure, http.HandlerFunc(echo))
	case guard != nil:
		handler = connectHandler(connectauth.WithGuard(guard))
	case setup.Guard == "authn-go + golang-jwt":
		verify := golangJWT(setup.Trust)
		handler = authn.NewMiddleware(func(ctx context.Context, request *http.Request) (any, error) {
			token, _ := authn.BearerToken(request) // an empty one is refused
			if err := verify(ctx, token); err != nil {
				return nil, authn.Errorf("%w", err)
			}
			return token, nil
		}).Wrap(handler)
	case setup.Guard == "clerk-sdk-go's middleware":
		key := clerkhttp.JSONWebKey(string(setup.Trust.PEM))
		handler = clerkhttp.RequireHeaderAuthorization(key, clerkhttp.AuthorizedPartyMatches(party))(handler)
	}
	return &http.Server{Handler: handler, Protocols: unencryptedHTTP2(), ReadHeaderTimeout: time.Minute}
}

// echo answers with what it got, which a client of connect-go takes for an answer.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/proto")
	_, _ = io.Copy(w, r.Body)
}

// connectHandler leaves small messages uncompressed, as any careful server does:
// otherwise gzip is what would be measured.
func connectHandler(options ...connect.HandlerOption) http.Handler {
	options = append(options, connect.WithCompressMinBytes(1024))
	mux := http.NewServeMux()
	mux.Handle(unaryProcedure, connect.NewUnaryHandlerSimple(unaryProcedure, service{}.UnaryCall, options...))
	mux.Handle(streamProcedure, connect.NewBidiStreamHandler(streamProcedure,
		func(_ context.Context, stream *connect.BidiStream[pb.SimpleRequest, pb.SimpleResponse]) error {
			return answer(stream.Receive, stream.Send)
		}, options...))
	return mux
}

func grpcServer(setup Setup, guard *auth.Guard) *grpc.Server {
	var unary grpc.UnaryServerInterceptor
	var stream grpc.StreamServerInterceptor
	switch {
	case guard != nil:
		unary, stream = grpcauth.UnaryServerInterceptor(guard), grpcauth.StreamServerInterceptor(guard)
	case setup.Guard == "go-grpc-middleware + golang-jwt":
		verify := golangJWT(setup.Trust)
		check := func(ctx context.Context) (context.Context, error) {
			token, err := grpcmiddleware.AuthFromMD(ctx, "bearer")
			if err == nil && verify(ctx, token) != nil {
				err = status.Error(codes.Unauthenticated, "invalid token")
			}
			return ctx, err
		}
		unary, stream = grpcmiddleware.UnaryServerInterceptor(check), grpcmiddleware.StreamServerInterceptor(check)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	if guard != nil {
		pb.RegisterBenchmarkServiceServer(grpcauth.Gate(server, guard), service{})
	} else {
		pb.RegisterBenchmarkServiceServer(server, service{})
	}
	return server
}

const (
	unaryProcedure  = pb.BenchmarkService_UnaryCall_FullMethodName
	streamProcedure = pb.BenchmarkService_StreamingCall_FullMethodName
)

// A service does as little as it can, so that everything around it weighs the most.
// Its schema is that of grpc-go's own benchmarks.
type service struct {
	pb.UnimplementedBenchmarkServiceServer
}

func (service) UnaryCall(_ context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: request.GetPayload()}, nil
}

func (service) StreamingCall(stream grpc.BidiStreamingServer[pb.SimpleRequest, pb.SimpleResponse]) error {
	return answer(stream.Recv, stream.Send)
}

// answer answers each message with as many as its response_size says.
func answer(receive func() (*pb.SimpleRequest, error), send func(*pb.SimpleResponse) error) error {
	for {
		request, err := receive()
		if err != nil {
			return err
		}
		for range request.GetResponseSize() {
			if err := send(&pb.SimpleResponse{Payload: request.GetPayload()}); err != nil {
				return err
			}
		}
	}
}

// A client is one of connect-go, with one connection of unencrypted HTTP/2, which
// speaks gRPC with grpc-go and the Connect protocol otherwise.
type client struct {
	unary, streaming *connect.Client[pb.SimpleRequest, pb.SimpleResponse]
}

type stream = connect.BidiStreamForClient[pb.SimpleRequest, pb.SimpleResponse]

func newClient(tb testing.TB, server child) client {
	tb.Helper()
	h := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	tb.Cleanup(h.CloseIdleConnections)
	protocol := connect.WithClientOptions() // Connect's
	if server.transport == "grpc-go" {
		protocol = connect.WithGRPC()
	}
	return client{
		connect.NewClient[pb.SimpleRequest, pb.SimpleResponse](h, "http://"+server.address+unaryProcedure, protocol),
		connect.NewClient[pb.SimpleRequest, pb.SimpleResponse](h, "http://"+server.address+streamProcedure, protocol),
	}
}

// call sends no token if it is empty.
func (c client) call(ctx context.Context, token string) error {
	request := connect.NewRequest(newMessage(0))
	if token != "" {
		request.Header().Set("Authorization", "Bearer "+token)
	}
	_, err := c.unary.CallUnary(ctx, request)
	return err
}

func (c client) open(ctx context.Context, token string) *stream {
	s := c.streaming.CallBidiStream(ctx)
	s.RequestHeader().Set("Authorization", "Bearer "+token)
	return s
}

// exchange sends n messages, has the last one answered with so many, and receives
// these.
func exchange(s *stream, n, answers int) error {
	for range n - 1 {
		_ = s.Send(newMessage(0)) // if it fails, Receive says why
	}
	_ = s.Send(newMessage(answers))
	for range answers {
		if _, err := s.Receive(); err != nil {
			return err
		}
	}
	return nil
}

// newMessage returns a message that a stream answers with so many. It is about as long
// as the smaller messages of real services.
func newMessage(answers int) *pb.SimpleRequest {
	payload := &pb.Payload{Body: []byte("the quick brown fox jumps over the lazy dog")}
	return &pb.SimpleRequest{Payload: payload, ResponseSize: int32(answers)}
}
