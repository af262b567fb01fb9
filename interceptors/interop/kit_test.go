package interop_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	whoAmI = identityv1connect.IdentityServiceWhoAmIProcedure
	watch  = identityv1connect.IdentityServiceWatchIdentityProcedure
)

// refusesRequests is a policy by which every caller with an identity may call, and none
// may send a request: a condition that does not hold.
type refusesRequests struct{ guardtest.Everyone }

func (r refusesRequests) Rule(string) auth.Rule { return r }

func (refusesRequests) CheckMessage(*auth.Identity, any) error {
	return auth.NewError(auth.ConditionNotMet, nil)
}

// service answers with the caller's subject. It is a connect-go and a grpc-go service.
type service struct {
	identityv1.UnimplementedIdentityServiceServer

	calls  atomic.Int32
	seen   *atomic.Int32 // counts the calls of both methods, unless it is nil
	panics bool
}

// see begins every method.
func (s *service) see() {
	if s.seen != nil {
		s.seen.Add(1)
	}
	if s.panics {
		panic("boom")
	}
}

func (s *service) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	s.see()
	s.calls.Add(1)
	return &identityv1.WhoAmIResponse{Identity: &identityv1.Identity{Subject: auth.MustFromContext(ctx).Subject}}, nil
}

func (s *service) WatchIdentity(_ *identityv1.WatchIdentityRequest, stream grpc.ServerStreamingServer[identityv1.WatchIdentityResponse]) error {
	s.see()
	s.calls.Add(1)
	return stream.Send(&identityv1.WatchIdentityResponse{Identity: &identityv1.Identity{Subject: auth.MustFromContext(stream.Context()).Subject}})
}

type connectService struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	*service
}

func (s connectService) WhoAmI(ctx context.Context, req *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return s.service.WhoAmI(ctx, req)
}

func (s connectService) WatchIdentity(ctx context.Context, _ *identityv1.WatchIdentityRequest, stream *connect.ServerStream[identityv1.WatchIdentityResponse]) error {
	s.see()
	return stream.Send(&identityv1.WatchIdentityResponse{Identity: &identityv1.Identity{Subject: auth.MustFromContext(ctx).Subject}})
}

// newConnectHandler serves the service by connect-go.
func newConnectHandler(options ...connect.HandlerOption) http.Handler {
	_, handler := identityv1connect.NewIdentityServiceHandler(connectService{service: new(service)}, options...)
	return handler
}

// serve serves on loopback, and returns the URL and a client.
func serve(t *testing.T, handler http.Handler) (string, *http.Client) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
}

// callConnect asks who the bearer of the token is.
func callConnect(t *testing.T, handler http.Handler, token string) (string, error) {
	t.Helper()
	url, client := serve(t, handler)
	ctx, info := connect.NewClientContext(t.Context())
	if token != "" {
		info.RequestHeader().Set("Authorization", "Bearer "+token)
	}
	res, err := identityv1connect.NewIdentityServiceClient(client, url).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
	return res.GetIdentity().GetSubject(), err
}

type dialled interface {
	Serve(net.Listener) error
	Stop()
}

// dial serves on loopback and returns a client.
func dial(t *testing.T, server dialled) identityv1.IdentityServiceClient {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return identityv1.NewIdentityServiceClient(conn)
}

// callAll calls the unary method and the stream, without a token and with one.
func callAll(t *testing.T, client identityv1.IdentityServiceClient) {
	t.Helper()
	admitted := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+guardtest.GoodToken)
	for _, ctx := range []context.Context{t.Context(), admitted} {
		_, unary := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		stream, err := client.WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, streamed := stream.Recv()
		if streamed == nil {
			_, _ = stream.Recv() // the end, which the interceptors wait for
		}
		for _, err := range []error{unary, streamed} {
			reason, refused := grpcauth.ReasonOf(err)
			if refused != (ctx == t.Context()) || refused && reason != auth.TokenMissing {
				t.Errorf("unexpected outcome: %v", err)
			}
		}
	}
}
