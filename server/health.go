package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/jwks"
)

// What is asked every few seconds by whatever watches the server.
const (
	routeLive        = "GET /livez"
	routeReady       = "GET /readyz"
	healthProcedures = "/" + grpchealth.HealthV1ServiceName + "/"
)

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

var errUnknownService = errors.New("no such service here; ask for a service by its full name, or for none")

// healthService implements the gRPC health protocol for both transports.
type healthService struct {
	services []string
	ready    func() bool
}

// Check implements grpchealth.Checker. Services share their keys and so their
// health.
func (h *healthService) Check(_ context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	switch {
	case req.Service != "" && !slices.Contains(h.services, req.Service):
		return nil, connect.NewError(connect.CodeNotFound, errUnknownService)
	case h.ready():
		return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
	default:
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
}

// grpcHealth is the service as grpc-go wants it.
type grpcHealth struct {
	grpc_health_v1.UnimplementedHealthServer

	health *healthService
}

func (h grpcHealth) Check(ctx context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	res, err := h.health.Check(ctx, &grpchealth.CheckRequest{Service: req.GetService()})
	if err != nil {
		return nil, status.Error(codes.Code(connect.CodeOf(err)), errUnknownService.Error())
	}
	return &grpc_health_v1.HealthCheckResponse{
		Status: grpc_health_v1.HealthCheckResponse_ServingStatus(res.Status),
	}, nil
}
