package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// What is asked every few seconds by whatever watches the server.
const (
	routeLive        = "GET /livez"
	routeReady       = "GET /readyz"
	healthProcedures = "/" + grpchealth.HealthV1ServiceName + "/"
)

// isHealthCheck reports whether a procedure, or a route, is such a one.
func isHealthCheck(procedure string) bool {
	return procedure == routeLive || procedure == routeReady || strings.HasPrefix(procedure, healthProcedures)
}

// A keySource is where the keys of an issuer come from.
type keySource struct {
	issuer string
	remote *jwks.Remote // nil when its one key was given
}

func (k keySource) ready() bool { return k.remote == nil || k.remote.Ready() }

func (k keySource) readiness() issuerReadiness {
	r := issuerReadiness{Issuer: k.issuer, Ready: k.ready(), Keys: 1}
	if k.remote == nil {
		return r
	}
	status := k.remote.Status()
	r.Keys, r.Failures = len(status.Keys), status.Failures
	r.FetchedAt, r.NextFetch = status.FetchedAt, status.NextFetch
	return r
}

// ready reports whether calls can be served: the keys of every issuer are
// there, and the server is not stopping.
func (s *Server) ready() bool {
	select {
	case <-s.stopping:
		return false
	default:
		return !slices.ContainsFunc(s.keys, func(k keySource) bool { return !k.ready() })
	}
}

// live answers that the process runs. It depends on nothing else: a restart
// would not bring back an issuer that is away.
func live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "live"})
}

// readiness is the body of /readyz, which anybody may read. Why a fetch failed,
// with the addresses of our network in it, is in the log alone.
type readiness struct {
	Status  string            `json:"status"`
	Issuers []issuerReadiness `json:"issuers"`
}

type issuerReadiness struct {
	Issuer    string    `json:"issuer"`
	Ready     bool      `json:"ready"`
	Keys      int       `json:"keys"`
	FetchedAt time.Time `json:"fetched_at,omitzero"`
	NextFetch time.Time `json:"next_fetch,omitzero"`
	Failures  int       `json:"failures,omitempty"` // fetches since the last success
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	body, code := readiness{Status: "ready"}, http.StatusOK
	if !s.ready() {
		body.Status, code = "not ready", http.StatusServiceUnavailable
	}
	for _, source := range s.keys {
		body.Issuers = append(body.Issuers, source.readiness())
	}
	writeJSON(w, code, body)
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the caller went away: nobody to tell
}

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
		return status, rpcerror.New(connect.CodeNotFound, "%w", errUnknownService)
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
		return rpcerror.New(connect.CodeUnimplemented, "%w", errManyWatches)
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
			return rpcerror.New(connect.CodeUnavailable, "%w", errStopping)
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
