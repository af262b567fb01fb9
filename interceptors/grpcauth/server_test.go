package grpcauth_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
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
		grpc.ChainUnaryInterceptor(count), grpcauth.ShowRefusals(), grpcauth.RequestTimeout(20*time.Millisecond))
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

// TestShowRefusalsIsThePlaceOfTheGuard has one interceptor before it and one after it.
func TestShowRefusalsIsThePlaceOfTheGuard(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	see := func(name string) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				res, err := next(ctx, req)
				reason, refused := grpcauth.ReasonOf(err)
				seen <- fmt.Sprint(name, " ", reason, " ", refused)
				return res, err
			}),
			grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				err := next(server, stream)
				reason, refused := grpcauth.ReasonOf(err)
				seen <- fmt.Sprint(name, " ", reason, " ", refused)
				return err
			}),
		}
	}
	server := grpcauth.NewServer(guardtest.NewGuard(nil), slices.Concat(
		see("before"), []grpc.ServerOption{grpcauth.ShowRefusals()}, see("after"), []grpc.ServerOption{grpcauth.RequestTimeout(time.Minute)})...)
	server.RegisterService(&echo, guardtest.NeverCalled(t))
	conn := dial(t, guardtest.Serve(t, server.Server))
	for shape := range guardtest.Procedures {
		_, _, err := call(t.Context(), conn, shape, wrapperspb.String("hello"))
		if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
			t.Errorf("%v: %v; want %v", shape, err, auth.TokenMissing)
		}
		if got := <-seen; got != "before TOKEN_MISSING true" || len(seen) > 0 {
			t.Errorf("%v: seen %s, and %d more times", shape, got, len(seen))
		}
	}
}

// TestAServerTakesInterceptorsInTheChainAlone, since grpc-go would put others before it,
// wherever the guard stands.
func TestAServerTakesInterceptorsInTheChainAlone(t *testing.T) {
	t.Parallel()
	unary := grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return next(ctx, req)
	})
	stream := grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return next(server, stream)
	})
	for name, options := range map[string][]grpc.ServerOption{
		"unary":                      {unary},
		"unary after the guard":      {grpcauth.ShowRefusals(), unary},
		"unary before the guard":     {unary, grpcauth.ShowRefusals()},
		"of streams":                 {stream},
		"of streams after the guard": {grpcauth.ShowRefusals(), stream},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "give it by grpc.ChainUnaryInterceptor or grpc.ChainStreamInterceptor") {
					t.Errorf("%s: panic %v; want one with the remedy", name, p)
				}
			}()
			grpcauth.NewServer(guardtest.NewGuard(nil), options...)
		}()
	}
}

// TestAStrangerDoesNotCrashAnInterceptorThatSeesRefusals: the server goes on, and the log
// names the interceptor's panic.
func TestAStrangerDoesNotCrashAnInterceptorThatSeesRefusals(t *testing.T) {
	t.Parallel()
	log := new(strings.Builder)
	guard := guardtest.NewGuard(nil)
	guard.Logger = slog.New(slog.NewTextHandler(log, nil))
	sizes := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		_ = proto.Size(req.(proto.Message)) // as many do
		return next(ctx, req)
	}
	server := grpcauth.NewServer(guard, grpc.ChainUnaryInterceptor(sizes), grpcauth.ShowRefusals())
	server.RegisterService(&echo, guardtest.NeverCalled(t))
	conn := dial(t, guardtest.Serve(t, server.Server))
	for range 2 {
		_, _, err := call(t.Context(), conn, auth.Unary, wrapperspb.String("hello"))
		if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
			t.Errorf("%v; want %v", err, auth.TokenMissing)
		}
	}
	server.GracefulStop() // the log is written by other goroutines
	if got := log.String(); strings.Count(got, "panic in an interceptor that sees refused calls") != 2 || !strings.Contains(got, guardtest.Procedures[auth.Unary]) {
		t.Errorf("the log has %s", got)
	}
}
