package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/grpchealth"

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
