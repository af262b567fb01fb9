package server

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/internal/metrics"
	"github.com/ostiary/ostiary/server/settings"
)

// A startingIssuer is what the first line of the log says of an issuer.
type startingIssuer struct {
	URL               string   `json:"url"`
	Audiences         []string `json:"audiences"`
	AuthorizedParties []string `json:"authorized_parties"`
	Essential         bool     `json:"essential"`
}

// isEssential reports whether the server is not ready without the keys of an issuer. The only one
// is essential in any case.
func isEssential(c settings.Config, issuer *settings.Issuer) bool {
	return issuer.Essential || len(c.Issuers) == 1
}

// logStart logs what is about to be served, before anything can fail, whatever the level of the
// log is: no other line says what the server was set to. Nothing in it is secret.
func (s *Server) logStart() {
	c := s.config
	version, revision := metrics.Built(c.Version, c.Revision)
	issuers := make([]startingIssuer, len(c.Issuers))
	for i, issuer := range c.Issuers {
		issuers[i] = startingIssuer{issuer.URL, issuer.Audiences, issuer.AuthorizedParties, isEssential(c, &issuer)}
	}
	http := c.HTTPAddr
	if s.httpListener != nil {
		http = s.httpListener.Addr().String()
	}
	line := []any{"version", version, "revision", revision, "issuers", issuers}
	if c.Follow.IsSet() {
		line = append(line, "follow", strings.Join(c.Follow.Hubs, ","))
	} else {
		line = append(line, "database", storeConfig(c).Name())
	}
	line = append(line, "tls", c.TLSCert != "", "http_addr", http, "grpc_addr", c.GRPCAddr, "admin_addr", c.AdminAddr)
	if c.SignalsAddr != "" {
		line = append(line, "signals_addr", c.SignalsAddr)
	}
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "starting", 0)
	record.Add(line...)
	_ = s.log.Handler().Handle(context.Background(), record) // as Logger does
}
