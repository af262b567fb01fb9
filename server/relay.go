package server

import (
	"context"
	"slices"

	"connectrpc.com/connect"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// errAskHub answers calls for which a relay would need a database.
func errAskHub() error {
	return rpcerror.WithCode(connect.CodeUnimplemented, rpcerror.Message("this server is a relay, which lists no sessions and revokes nothing; ask the hub that it follows"))
}

// askHub refuses every call that the guard admits.
type askHub struct{}

func (askHub) WrapUnary(connect.UnaryFunc) connect.UnaryFunc {
	return func(context.Context, connect.AnyRequest) (connect.AnyResponse, error) { return nil, errAskHub() }
}

func (askHub) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (askHub) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(context.Context, connect.StreamingHandlerConn) error { return errAskHub() }
}

// atHub are the options of a service that a relay does not have.
func (s *Server) atHub(options []connect.HandlerOption) []connect.HandlerOption {
	if s.relay == nil {
		return options
	}
	return append(slices.Clone(options), connect.WithInterceptors(askHub{}))
}

// onlyAtHub matches the calls that a relay does not answer.
func (s *Server) onlyAtHub() selector.Matcher {
	return selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
		return s.relay != nil && (call.Service == sessionv1connect.SessionServiceName || call.Service == revocationv1connect.RevocationServiceName)
	})
}

func askHubUnary(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
	return nil, errAskHub()
}

func askHubStream(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
	return errAskHub()
}
