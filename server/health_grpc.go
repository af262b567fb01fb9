package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// watchHealthInterval is how often it is looked at for those who watch.
	watchHealthInterval = time.Second
	// maxHealthWatches bounds how many may watch at once, some 20 KiB each, since
	// anybody may.
	maxHealthWatches = 1000
)

var (
	errUnknownService = errors.New("no such service here; ask for a service by its full name, or for none")
	errManyWatches    = errors.New("as many as may do so watch the health already; ask with Check from time to time")
)

// healthService implements the gRPC health protocol: for the HTTP port what
// grpchealth has of it, which is Check alone, and for the native listener all.
type healthService struct {
	services []string // "" for the server among them
	ready    func() bool
	stopping <-chan struct{}
	watches  chan struct{} // holds something for each one who watches
}

func newHealthService(ready func() bool, stopping <-chan struct{}) *healthService {
	return &healthService{
		services: append(services(), ""),
		ready:    ready,
		stopping: stopping,
		watches:  make(chan struct{}, maxHealthWatches),
	}
}

// status is that of a service. Services share their keys and so their health.
func (h *healthService) status(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	switch {
	case !slices.Contains(h.services, service):
		return grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
	case h.ready():
		return grpc_health_v1.HealthCheckResponse_SERVING
	default:
		return grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
}

// check is the status of a service that there is.
func (h *healthService) check(service string) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	status := h.status(service)
	if status == grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		return status, callErrorf(connect.CodeNotFound, "%w", errUnknownService)
	}
	return status, nil
}

// Check implements grpchealth.Checker.
func (h *healthService) Check(_ context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	status, err := h.check(req.Service)
	if err != nil {
		return nil, err
	}
	return &grpchealth.CheckResponse{Status: grpchealth.Status(status)}, nil //nolint:gosec // one of three
}

// grpcHealth is the service as grpc-go wants it.
type grpcHealth struct {
	grpc_health_v1.UnsafeHealthServer

	health *healthService
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
	for _, service := range h.health.services {
		res.Statuses[service] = &grpc_health_v1.HealthCheckResponse{Status: h.health.status(service)}
	}
	return res, nil
}

// Watch tells each change until the caller leaves or the server stops. Where too
// many watch, it does not exist: a client takes that for a server which is
// healthy, as it would any other error for one that is not. So whoever takes all
// places takes them from nobody who needs one.
func (h grpcHealth) Watch(req *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	select {
	case h.health.watches <- struct{}{}:
		defer func() { <-h.health.watches }()
	default:
		return callErrorf(connect.CodeUnimplemented, "%w", errManyWatches)
	}
	look := time.NewTicker(watchHealthInterval)
	defer look.Stop()
	told := grpc_health_v1.HealthCheckResponse_UNKNOWN
	for stopping := false; ; {
		if status := h.health.status(req.GetService()); status != told {
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: status}); err != nil {
				return err
			}
			told = status
		}
		if stopping {
			return callErrorf(connect.CodeUnavailable, "%w", errStopping)
		}
		select {
		case <-look.C:
		case <-h.health.stopping:
			stopping = true
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
