// Package health serves the gRPC health protocol, alike on both ports. Package grpchealth has
// no Watch.
//
//	service := health.New(health.Config{Services: services, Ready: ready, …})
//	service.Mount(mux, options...) // for connect-go
//	service.Register(registrar)    // for grpc-go
package health

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// Name is that of the service.
const Name = "grpc.health.v1.Health"

const (
	// watchInterval is how often a watch checks the health.
	watchInterval = time.Second
	// maxWatches bounds the watches, some 20 KiB each, since anybody may
	// watch. See maxWatchesOf.
	maxWatches = 1000
)

// maxWatchesOf returns how many watches there may be where there may be so many streams in
// all: too few to take all places of callers without a token. The guard refuses whom it has no
// place for with another error than Watch, by which clients take the server for unhealthy.
func maxWatchesOf(maxStreams int) int {
	if maxStreams <= 0 {
		return maxWatches
	}
	return min(max(maxStreams/4, 1), maxWatches)
}

var (
	errUnknownService = errors.New("no such service here; name a service in full, or none for the server")
	errManyWatches    = errors.New("too many watch the health already; call Check from time to time")
)

// Config configures a Service. All fields but MaxStreams are required.
type Config struct {
	// Services are the names whose health is asked for, besides "" for the server.
	Services []string
	Ready    func() bool
	// MaxStreams is how many streams there may be in all; 0 for any number.
	MaxStreams int
	// Heartbeat is the longest silence of a watch.
	Heartbeat time.Duration
	Draining  <-chan struct{} // closed when Ready turns false for good
	Stopping  <-chan struct{}
}

// A Service implements the gRPC health protocol.
type Service struct {
	config  Config
	watches chan struct{} // holds one value for each watch
}

// New returns a Service.
func New(config Config) *Service {
	config.Services = append(slices.Clone(config.Services), "")
	return &Service{config: config, watches: make(chan struct{}, maxWatchesOf(config.MaxStreams))}
}

// status returns the health of a service. Services share their keys, and so their
// health.
func (h *Service) status(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	switch {
	case !slices.Contains(h.config.Services, service):
		return grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
	case h.config.Ready():
		return grpc_health_v1.HealthCheckResponse_SERVING
	default:
		return grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
}

// check is status, with NOT_FOUND for an unknown service.
func (h *Service) check(service string) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	status := h.status(service)
	if status == grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		return status, rpcerror.WithCode(connect.CodeNotFound, rpcerror.Message("%v", errUnknownService))
	}
	return status, nil
}

// Mount adds the service as connect-go serves it.
func (h *Service) Mount(mux *http.ServeMux, options ...connect.HandlerOption) {
	service := grpcHealth{health: h}
	mux.Handle(grpc_health_v1.Health_Check_FullMethodName, connect.NewUnaryHandlerSimple(grpc_health_v1.Health_Check_FullMethodName, service.Check, options...))
	mux.Handle(grpc_health_v1.Health_List_FullMethodName, connect.NewUnaryHandlerSimple(grpc_health_v1.Health_List_FullMethodName, service.List, options...))
	mux.Handle(grpc_health_v1.Health_Watch_FullMethodName, connect.NewServerStreamHandlerSimple(grpc_health_v1.Health_Watch_FullMethodName,
		func(ctx context.Context, req *grpc_health_v1.HealthCheckRequest, stream *connect.ServerStream[grpc_health_v1.HealthCheckResponse]) error {
			return h.watch(ctx, req.GetService(), stream.Send)
		}, options...))
}

// Register adds the service as grpc-go serves it.
func (h *Service) Register(registrar grpc.ServiceRegistrar) {
	grpc_health_v1.RegisterHealthServer(registrar, grpcHealth{health: h})
}

// grpcHealth is the service as grpc-go wants it.
type grpcHealth struct {
	grpc_health_v1.UnsafeHealthServer

	health *Service
}

func (h grpcHealth) Check(_ context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	status, err := h.health.check(req.GetService())
	if err != nil {
		return nil, err
	}
	return &grpc_health_v1.HealthCheckResponse{Status: status}, nil
}

func (h grpcHealth) List(context.Context, *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	res := &grpc_health_v1.HealthListResponse{Statuses: make(map[string]*grpc_health_v1.HealthCheckResponse)}
	for _, service := range h.health.config.Services {
		res.Statuses[service] = &grpc_health_v1.HealthCheckResponse{Status: h.health.status(service)}
	}
	return res, nil
}

// watch sends each change until the caller leaves or the server stops, and the same status again
// before a proxy takes the stream for dead. If too many
// watch, it answers UNIMPLEMENTED, which clients treat as healthy; they treat every
// other error as unhealthy. So a stranger who takes all places turns nobody away.
func (h *Service) watch(ctx context.Context, service string, send func(*grpc_health_v1.HealthCheckResponse) error) error {
	select {
	case h.watches <- struct{}{}:
		defer func() { <-h.watches }()
	default:
		return rpcerror.WithCode(connect.CodeUnimplemented, rpcerror.Message("%v", errManyWatches))
	}
	look, heartbeat := time.NewTicker(watchInterval), time.NewTicker(h.config.Heartbeat)
	defer look.Stop()
	defer heartbeat.Stop()
	sent := grpc_health_v1.HealthCheckResponse_UNKNOWN
	draining := h.config.Draining
	for stopping := false; ; {
		if status := h.status(service); status != sent {
			if err := send(&grpc_health_v1.HealthCheckResponse{Status: status}); err != nil {
				return err
			}
			sent = status
		}
		if stopping {
			return rpcerror.Stopping()
		}
		select {
		case <-look.C:
		case <-heartbeat.C:
			sent = grpc_health_v1.HealthCheckResponse_UNKNOWN
		case <-draining:
			draining = nil
		case <-h.config.Stopping:
			stopping = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Watch implements grpc_health_v1.HealthServer.
func (h grpcHealth) Watch(req *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return h.health.watch(stream.Context(), req.GetService(), stream.Send)
}
