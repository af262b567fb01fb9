package server

import (
	"fmt"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // callers may compress, as on the HTTP port
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// newGRPC makes the native listener's server: the same services under the same
// guard and limits.
func (s *Server) newGRPC() (*grpc.Server, error) {
	recoverPanic := recovery.WithRecoveryHandlerContext(transport.Recovery{Log: s.log}.GRPC)
	options := append(transport.GRPCLimits(),
		grpc.StatsHandler(s.callLog()),
		grpc.ForceServerCodecV2(transport.Codec{}),
		grpc.ChainUnaryInterceptor(
			recovery.UnaryServerInterceptor(recoverPanic),
			grpcauth.UnaryServerInterceptor(s.guard),
		),
		grpc.ChainStreamInterceptor(
			recovery.StreamServerInterceptor(recoverPanic),
			grpcauth.StreamServerInterceptor(s.guard),
		),
	)
	if s.config.TLSCert != "" {
		creds, err := credentials.NewServerTLSFromFile(s.config.TLSCert, s.config.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("tls_cert and tls_key: %w", err)
		}
		options = append(options, grpc.Creds(creds))
	}
	server := grpc.NewServer(options...)
	// The gate refuses before a request is decoded; the interceptors guard what
	// does not pass through it, such as reflection.
	gate := grpcauth.Gate(transport.RefuseUndecodable(server, invalidMessage), s.guard, grpcauth.RequestTimeout(s.config.RequestTimeout))
	identityv1.RegisterIdentityServiceServer(gate, grpcIdentity{identityService: s.identity})
	sessionv1.RegisterSessionServiceServer(gate, grpcSession{sessionService: s.session})
	revocationv1.RegisterRevocationServiceServer(gate, grpcRevocation{revocationService: s.revocation})
	accessv1.RegisterAccessServiceServer(gate, grpcAccess{accessService: s.access})
	grpc_health_v1.RegisterHealthServer(gate, grpcHealth{health: s.health})
	if s.config.Reflection {
		reflection.Register(server)
	}
	return server, nil
}
