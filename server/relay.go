package server

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	feedclient "github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/relay"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/tokensource"
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

// relayService is the name under which a relay follows.
const relayService = "ostiary-relay"

// startRelay begins to follow.
func (s *Server) startRelay() error {
	f := s.config.Follow
	source, err := f.Source(s.config.Now)
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	s.followTokens = tokensource.New(source)
	if f.InsecureHTTP {
		s.log.Warn("the hub may be followed over plain http; who can read the traffic can follow it, and who can change it can hide revocations", "setting", "follow_insecure_http")
	}
	s.relay, err = relay.Start(relay.Config{
		Feed: feedclient.Config{
			Hubs: f.Hubs, TokenSource: s.followTokens, Service: relayService, InsecureAllowPlaintext: f.InsecureHTTP,
			Retention: longestLifetime(s.config), Snapshot: f.Snapshot, Logger: s.log,
		},
		Scope: feed.Scope, Now: s.config.Now,
	})
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	s.log.Info("this server is a relay; sessions are listed and ended at its hub", "hubs", f.Hubs)
	return nil
}
