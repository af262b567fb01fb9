package grpcauth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestAServerTakesTheOptionsOfAGateAmongOthers(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	count := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		seen.Add(1)
		return next(ctx, req)
	}
	server := grpcauth.NewServer(guardtest.NewGuard(nil),
		grpcauth.ShowRefusals(), grpc.ChainUnaryInterceptor(count), grpcauth.RequestTimeout(20*time.Millisecond))
	server.RegisterService(&echo, guardtest.NeverCalled(t))
	conn := dial(t, guardtest.Serve(t, server.Server))

	_, _, err := call(t.Context(), conn, auth.Unary, wrapperspb.String("hello"))
	if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing || seen.Load() != 1 {
		t.Errorf("%v, seen %d times; want %v, seen once", err, seen.Load(), auth.TokenMissing)
	}
	ctx, cancel := context.WithTimeout(bearer(t.Context(), guardtest.GoodToken), time.Minute)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, guardtest.Procedures[auth.Unary])
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new(text)); status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil {
		t.Errorf("a request that does not come: %v; want %v of the server's", err, codes.DeadlineExceeded)
	}
}
