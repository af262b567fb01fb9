package server

import (
	"context"
	"net/http"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/transmitter"
)

// startTransmitter begins to send security events, where that is configured.
func (s *Server) startTransmitter(ctx context.Context, db store.Store) {
	if s.config.SignalsTransmitterURL == "" {
		return
	}
	s.transmitter = transmitter.Start(ctx, transmitter.Config{
		Issuer: s.config.SignalsTransmitterURL, AllowPrivate: s.config.AllowPrivateReceivers,
		Store: db, Latest: s.ledger.Latest, Changed: s.ledger.Changed,
		Now: s.config.Now, Log: s.log, Stopping: s.stopping,
	})
	if s.config.AllowPrivateReceivers {
		s.log.WarnContext(ctx, "security events may be sent to addresses of private networks; all who may have a stream can have this server call there", "setting", "signals_transmitter_allow_private")
	}
}

// transmitterRoutes are the endpoints of the transmitter, for those who may follow the feed.
func (s *Server) transmitterRoutes(mux *http.ServeMux) {
	if s.transmitter == nil {
		return
	}
	protect := func(pattern string, next http.Handler) http.Handler {
		return httpauth.Protect(s.transmitterGuard, pattern, next)
	}
	for pattern, handler := range s.transmitter.Routes(protect, streamOwner) {
		mux.Handle(pattern, handler)
	}
}

// streamOwner returns whose streams a caller may use: those of the machine, or those of all
// who have a secret.
func streamOwner(ctx context.Context) store.StreamOwner {
	id := auth.MustFromContext(ctx)
	if id.Issuer == feed.SecretIssuer {
		return store.StreamOwner{Issuer: feed.SecretIssuer}
	}
	return store.StreamOwner{Issuer: id.Issuer, Subject: id.Subject}
}

// followersOnly is the rule of the transmitter's endpoints.
type followersOnly struct{ feed.Followers }

// Rule implements auth.Policy.
func (f followersOnly) Rule(string) auth.Rule { return f }

// Check implements auth.Rule.
func (f followersOnly) Check(id *auth.Identity) error {
	if id == nil {
		return auth.NewError(auth.TokenMissing, nil)
	}
	return f.Require(id)
}
