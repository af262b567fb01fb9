package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// ErrPanic is what the caller reads of a panic. The log has the rest.
var ErrPanic = errors.New("the server failed at this call; the fault is on its side")

// Recovery turns panics of handlers into INTERNAL, and logs them.
type Recovery struct{ Log *slog.Logger }

// Connect is for connect.WithRecover.
func (r Recovery) Connect(ctx context.Context, _ connect.Spec, _ http.Header, p any) error {
	r.log(ctx, p)
	return connect.NewError(connect.CodeInternal, ErrPanic)
}

// GRPC is for recovery.WithRecoveryHandlerContext.
func (r Recovery) GRPC(ctx context.Context, p any) error {
	r.log(ctx, p)
	return status.Error(codes.Internal, ErrPanic.Error())
}

func (r Recovery) log(ctx context.Context, p any) {
	stack := debug.Stack()
	if stream, ok := p.(*auth.PanicError); ok { // whose handler has a goroutine of its own
		p, stack = stream.Value, stream.Stack
	}
	r.Log.ErrorContext(ctx, "panic in a handler", "panic", fmt.Sprint(p), "stack", string(stack))
}
