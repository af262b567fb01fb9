package server

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// The limits that both listeners keep, so that one caller cannot take the
// server from the others.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 32 << 10
	maxStreams        = 250     // calls at once on one connection
	maxMessageBytes   = 4 << 20 // of one message, decompressed
	compressMinBytes  = 1024    // below, compressing costs more than it saves

	pingAfter   = 30 * time.Second // of silence
	pingTimeout = 15 * time.Second
)

func (s *Server) newHTTP() (*http.Server, error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	var config *tls.Config
	if s.config.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.config.TLSCert, s.config.TLSKey)
		if err != nil {
			return nil, err
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	handler, err := s.handler()
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler: handler,
		// OPTIONS * is asked for a token, like any other.
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    config,
		Protocols:                    protocols,
		ReadHeaderTimeout:            readHeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     idleTimeout,
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}, nil
}

// handler is everything on the HTTP port, from the outside in: deadlines for
// bodies; CORS, so that refusals carry its headers too; the log of calls; the routes.
func (s *Server) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc(routeLive, live)
	mux.HandleFunc(routeReady, s.serveReady)
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectIdentity{s.identity}, s.handlerOptions()...))
	mux.Handle(sessionv1connect.NewSessionServiceHandler(connectSession{s.session}, s.handlerOptions()...))
	mux.Handle(revocationv1connect.NewRevocationServiceHandler(connectRevocation{s.revocation}, s.handlerOptions()...))
	mux.Handle(accessv1connect.NewPolicyServiceHandler(s.policy, s.handlerOptions()...))
	mux.Handle(grpchealth.NewHandler(s.health, s.handlerOptions()...))
	if s.config.Reflection {
		reflector := grpcreflect.NewStaticReflector(append(services(), grpchealth.HealthV1ServiceName)...)
		mux.Handle(grpcreflect.NewHandlerV1(reflector, s.handlerOptions()...))
		mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, s.handlerOptions()...))
	}
	for pattern, handler := range s.config.Routes {
		mux.Handle(pattern, handler)
	}
	if err := s.config.Console.mount(mux); err != nil {
		return nil, err
	}
	calls := callLog{s.log}
	return hurryBodies(s.config.CORS.handler(calls.handler(exactPaths(s.guardOptions(connectauth.Abortable(noteRoute(mux))))), s.log), bodyTimeout), nil
}

// exactPaths knows no path but in its one spelling, where the mux would redirect:
// an RPC client does not follow, and takes the redirect for a broken server.
func exactPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p != "*" && strings.TrimSuffix(p, "/") != strings.TrimSuffix(path.Clean(p), "/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// procedureOptions names the rule of OPTIONS requests, as lists of rules show it.
const procedureOptions = "OPTIONS (not a preflight)"

// guardOptions asks for a token with every OPTIONS request that gets here. A
// preflight, which cannot have one, does not: CORS has answered it.
func (s *Server) guardOptions(next http.Handler) http.Handler {
	guarded := httpauth.Protect(s.guard, procedureOptions, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			guarded.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// handlerOptions are those of every connect handler. The first interceptor is
// the outermost: the log sees what recovery makes of a panic.
func (s *Server) handlerOptions() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithInterceptors(noteOutcome{}),
		connect.WithRecover(s.recoverConnect),
		connectauth.WithGuard(s.guard),
		connect.WithReadMaxBytes(maxMessageBytes),
		withBoundedGzip(),
		connect.WithCompressMinBytes(compressMinBytes),
	}
}
