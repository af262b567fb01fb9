package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// errPanic is what the caller hears of a panic. The log has the rest.
var errPanic = errors.New("the server failed at this call; the fault is on its side")

func (s *Server) recoverConnect(ctx context.Context, _ connect.Spec, _ http.Header, p any) error {
	s.logPanic(ctx, p)
	return connect.NewError(connect.CodeInternal, errPanic)
}

func (s *Server) recoverGRPC(ctx context.Context, p any) error {
	s.logPanic(ctx, p)
	return status.Error(codes.Internal, errPanic.Error())
}

func (s *Server) logPanic(ctx context.Context, p any) {
	stack := debug.Stack()
	if stream, ok := p.(*auth.PanicError); ok { // whose handler has a goroutine of its own
		p, stack = stream.Value, stream.Stack
	}
	s.log.ErrorContext(ctx, "panic in a handler", "panic", fmt.Sprint(p), "stack", string(stack))
}
