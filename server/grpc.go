package server

import (
	"context"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // callers may compress, as on the HTTP port
	"google.golang.org/grpc/reflection"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	tokenv1 "github.com/ostiary/ostiary/gen/ostiary/token/v1"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/server/internal/proxy"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// newGRPC makes the native listener's server: the same services under the same
// guard and limits.
func (s *Server) newGRPC() *grpc.Server {
	recoverPanic := recovery.WithRecoveryHandlerContext(transport.Recovery{Log: s.log}.GRPC)
	options := append(append(transport.GRPCLimits(), s.metrics.GRPC()...),
		grpc.StatsHandler(s.proxies), // first, so that the log has the client
		grpc.StatsHandler(transport.RequestIDs{Trusted: proxy.FromTrusted}),
		grpc.StatsHandler(s.callLog()),
		grpc.ForceServerCodecV2(transport.Codec{}),
		grpc.ChainUnaryInterceptor(
			recovery.UnaryServerInterceptor(recoverPanic),
			selector.UnaryServerInterceptor(grpcauth.UnaryServerInterceptor(s.guard), notOfFeed),
			selector.UnaryServerInterceptor(askHubUnary, s.onlyAtHub()),
		),
		grpc.ChainStreamInterceptor(
			transport.AnswerID,
			recovery.StreamServerInterceptor(recoverPanic),
			selector.StreamServerInterceptor(grpcauth.StreamServerInterceptor(s.guard), notOfFeed),
			selector.StreamServerInterceptor(askHubStream, s.onlyAtHub()),
		),
	)
	secured := insecure.NewCredentials()
	if config := s.certificate.TLSConfig(); config != nil {
		secured = credentials.NewTLS(config)
	}
	options = append(options, grpc.Creds(s.resets.Credentials(secured)))
	server := grpc.NewServer(options...)
	// The gates refuse before a request is decoded; the interceptors guard what
	// does not pass through one, such as reflection.
	registrar := transport.RefuseUndecodable(transport.IdentifyAnswers(server), rpcerror.InvalidMessage)
	timeout := grpcauth.RequestTimeout(s.config.RequestTimeout)
	gate := grpcauth.Gate(registrar, s.guard, timeout)
	identityv1.RegisterIdentityServiceServer(gate, grpcIdentity{identityService: s.identity})
	sessionv1.RegisterSessionServiceServer(gate, grpcSession{sessionService: s.session})
	revocationv1.RegisterRevocationServiceServer(gate, grpcRevocation{revocationService: s.revocation})
	accessv1.RegisterAccessServiceServer(gate, grpcAccess{liveAccess: &s.access})
	decisionv1.RegisterDecisionServiceServer(gate, grpcDecision{decisionService: s.decision})
	statusv1.RegisterStatusServiceServer(gate, grpcStatus{statusService: s.status})
	tokenv1.RegisterTokenServiceServer(gate, grpcToken{tokenService: s.token})
	s.feed.Register(grpcauth.Gate(registrar, s.feedGuard, timeout))
	s.health.Register(gate)
	if s.config.Reflection {
		reflection.Register(struct {
			grpc.ServiceRegistrar
			reflection.ServiceInfoProvider
		}{gate, server})
	}
	return server
}

// notOfFeed matches the calls that the guard of the FeedService does not decide about.
var notOfFeed = selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
	return call.Service != feedv1.FeedService_ServiceDesc.ServiceName
})
