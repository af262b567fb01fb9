package server

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/server/internal/health"
	"github.com/ostiary/ostiary/server/internal/inbox"
	"github.com/ostiary/ostiary/server/internal/transmitter"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// Routes and procedures of health checks, which are called every few seconds.
const (
	routeLive        = "GET /livez"
	routeReady       = "GET /readyz"
	healthProcedures = "/" + health.Name + "/"
)

// isFrequent reports whether a procedure or a route is a health check, a follower's report,
// or a receiver that asks for events.
func isFrequent(procedure string) bool {
	return procedure == feedv1connect.FeedServiceReportProcedure || procedure == transmitter.RoutePoll || procedure == routeLive || procedure == routeReady || strings.HasPrefix(procedure, healthProcedures)
}

// A keySource is where the keys of an issuer come from.
type keySource struct {
	issuer    string
	essential bool
	remote    *jwks.Remote // nil when its one key was given
}

func (k keySource) ready() bool { return k.remote == nil || k.remote.Ready() }

func (k keySource) readiness() issuerReadiness {
	r := issuerReadiness{Issuer: k.issuer, Ready: k.ready(), Essential: k.essential, Keys: 1}
	if k.remote == nil {
		return r
	}
	status := k.remote.Status()
	r.Keys, r.Failures = len(status.Keys), status.Failures
	r.FetchedAt, r.NextFetch = status.FetchedAt, status.NextFetch
	r.FailingSince, r.LastError = status.FailingSince, status.LastError
	return r
}

// ready reports whether calls can be served: the keys and the revocations are there, and
// the server is not about to stop.
func (s *Server) ready() bool {
	return !s.draining.HasBegun() && s.keysReady() && s.revocationsReady()
}

// keysReady reports whether the keys of every essential issuer are there, and those of at
// least one issuer: so the only one is essential in any case, and none of several is alone.
func (s *Server) keysReady() bool {
	return slices.ContainsFunc(s.keys, keySource.ready) &&
		!slices.ContainsFunc(s.keys, func(k keySource) bool { return k.essential && !k.ready() })
}

// revocationsReady reports whether a relay has caught up once, or how an essential database
// is. New has read any database before there is a Server.
func (s *Server) revocationsReady() bool {
	if s.relay != nil {
		return s.relay.Follower().Status().Ready
	}
	return !s.config.DatabaseEssential || s.ledger.Database() == "ok"
}

// live answers that the process runs. It depends on nothing else: a restart does
// not help if an issuer cannot be reached.
func live(w http.ResponseWriter, _ *http.Request) {
	transport.WriteJSON(w, http.StatusOK, map[string]string{"status": "live"})
}

// readiness is the body of /readyz. Anybody may read it on the HTTP port, so the last
// errors, with the addresses of our network in them, are for operators alone.
type readiness struct {
	Status   string             `json:"status"`
	Database *databaseReadiness `json:"database,omitempty"` // nil at a relay
	Relay    *relayReadiness    `json:"relay,omitempty"`
	Issuers  []issuerReadiness  `json:"issuers"`
	// CertificateExpires is when that of TLS does.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// Signals are the sources of messages of issuers. They do not count either: whether an
	// issuer sends anything is for it to say.
	Signals []inbox.State `json:"signals,omitempty"`
	// Transmitter says how the streams of security events are. They do not count, either.
	Transmitter *transmitter.Summary `json:"signals_transmitter,omitempty"`
	// Reconciled is what issuers were asked after the last outage.
	Reconciled []reconciliation `json:"reconciled,omitempty"`
}

// databaseReadiness is how the database is. Tokens are verified in any case.
type databaseReadiness struct {
	State        string    `json:"state"` // "ok"; "read_only", when nothing can be revoked; or "failing"
	Essential    bool      `json:"essential"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	Remedy       string    `json:"remedy,omitempty"`
	LastError    string    `json:"last_error,omitempty"` // for operators
}

// relayReadiness is how a relay's copy of the revocations is. One that is stale is ready
// all the same: its followers know how old it is.
type relayReadiness struct {
	Ready      bool   `json:"ready"`
	Stale      bool   `json:"stale"`
	AgeSeconds int64  `json:"age_seconds"`
	LastError  string `json:"last_error,omitempty"` // for operators
}

// issuerReadiness is how the keys of an issuer are. Its users are refused while they are
// not ready, and if it is essential the server is not ready.
type issuerReadiness struct {
	Issuer       string    `json:"issuer"`
	Ready        bool      `json:"ready"`
	Essential    bool      `json:"essential"`
	Keys         int       `json:"keys"`
	FetchedAt    time.Time `json:"fetched_at,omitzero"`
	NextFetch    time.Time `json:"next_fetch,omitzero"`
	Failures     int       `json:"failures,omitempty"` // fetches since the last success
	FailingSince time.Time `json:"failing_since,omitzero"`
	LastError    string    `json:"last_error,omitempty"` // for operators
}

// remedies say what it means that the database is not ok.
var remedies = map[string]string{
	"read_only": "nothing can be revoked, since the database takes no writes; the log says why and what to do",
	"failing":   "what other servers revoke is not known here, since the database cannot be read; the log says why and what to do",
}

// serveReady answers anybody, without the last errors.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	code, body := s.readiness()
	if body.Database != nil {
		body.Database.LastError = ""
	}
	if body.Relay != nil {
		body.Relay.LastError = ""
	}
	for i := range body.Issuers {
		body.Issuers[i].LastError = ""
	}
	transport.WriteJSON(w, code, body)
}

// serveReadyInFull answers operators.
func (s *Server) serveReadyInFull(w http.ResponseWriter, _ *http.Request) {
	code, body := s.readiness()
	transport.WriteJSON(w, code, body)
}

// readiness returns the answer of /readyz.
func (s *Server) readiness() (code int, body readiness) {
	code, body = http.StatusOK, readiness{Status: "ready", Database: s.databaseReadiness()}
	if s.relay != nil {
		status := s.relay.Follower().Status()
		body.Relay = &relayReadiness{status.Ready, status.Stale, int64(status.Age / time.Second), status.LastError}
	} else {
		body.Reconciled = s.reconciliations()
	}
	body.CertificateExpires = s.certificate.Expires()
	if !s.ready() {
		body.Status, code = "not ready", http.StatusServiceUnavailable
	}
	if s.draining.HasBegun() {
		body.Status = "stopping"
	}
	for _, source := range s.keys {
		body.Issuers = append(body.Issuers, source.readiness())
	}
	body.Signals = s.inbox.States()
	if s.transmitter != nil {
		summary := s.transmitter.Summary()
		body.Transmitter = &summary
	}
	return code, body
}

func (s *Server) databaseReadiness() *databaseReadiness {
	if s.ledger == nil {
		return nil
	}
	state, status := s.ledger.Database(), s.ledger.Status()
	return &databaseReadiness{
		State: state, Essential: s.config.DatabaseEssential, Remedy: remedies[state],
		FailingSince: status.FailingSince, LastError: status.LastError,
	}
}
