package served

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// A Caller calls a server. It is safe for concurrent use.
type Caller interface {
	// Unary makes one call. An empty token sends none.
	Unary(ctx context.Context, token string) error
	// Receive opens a stream and receives so many messages.
	Receive(ctx context.Context, token string, messages int) error
	// Send opens a stream and sends so many messages.
	Send(ctx context.Context, token string, messages int) error
	// Watch opens a stream and receives its first message. What it returns waits
	// for the end of the stream, and must be called.
	Watch(ctx context.Context, token string) (ended func() error, err error)
	// Close lets go of the connection.
	Close() error
}

// IsRevoked reports whether a call was refused, or a stream ended, with
// TOKEN_REVOKED. It knows the errors of every Caller.
func IsRevoked(err error) bool {
	for _, reasonOf := range []func(error) (auth.Reason, bool){connectauth.ReasonOf, grpcauth.ReasonOf} {
		if reason, ok := reasonOf(err); ok && reason == auth.TokenRevoked {
			return true
		}
	}
	return false
}

// A Protocol is what a Caller speaks.
type Protocol string

// The protocols. All of them go over one connection of unencrypted HTTP/2.
const (
	ProtocolConnect Protocol = "Connect" // connect-go
	ProtocolGRPC    Protocol = "gRPC"    // connect-go
	ProtocolNative  Protocol = "grpc-go" // grpc-go
)

// Caller returns a caller of the process.
func (p *Process) Caller(protocol Protocol) (Caller, error) {
	switch protocol {
	case ProtocolConnect:
		return newConnectCaller(p.address), nil
	case ProtocolGRPC:
		return newConnectCaller(p.address, connect.WithGRPC()), nil
	case ProtocolNative:
		return newGRPCCaller(p.address)
	default:
		return nil, fmt.Errorf("unknown protocol %q", protocol)
	}
}

// Many makes unary calls, eight at a time, with each of the tokens in turn.
func Many(ctx context.Context, caller Caller, tokens []string, calls int) error {
	const callers = 8
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < calls && ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				if err := caller.Unary(ctx, tokens[n%len(tokens)]); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
