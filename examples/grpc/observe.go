package main

import (
	"context"
	"log/slog"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// observe returns interceptors of go-grpc-middleware: a line in the log for each call, and
// INTERNAL in place of a panic. ShowRefusals has the log name refused calls too.
func observe(logger *slog.Logger) []grpc.ServerOption {
	write := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		logger.Log(ctx, slog.Level(level), message, fields...) //nolint:sloglint // the recipe of go-grpc-middleware
	})
	ended := logging.WithLogOnEvents(logging.FinishCall)
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(logging.UnaryServerInterceptor(write, ended)),
		grpc.ChainStreamInterceptor(logging.StreamServerInterceptor(write, ended)),
		grpcauth.ShowRefusals(),
		grpc.ChainUnaryInterceptor(recovery.UnaryServerInterceptor()),
		grpc.ChainStreamInterceptor(recovery.StreamServerInterceptor()),
	}
}
