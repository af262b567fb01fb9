// Package server is ostiary's own server: the services under one guard, on a
// port for Connect, gRPC and gRPC-Web, and on another for native gRPC.
//
//	srv, err := server.New(ctx, settings.Config{Issuers: []settings.Issuer{{URL: "https://clerk.example.com", Audiences: []string{"invoices"}}}})
//	log.Println("serving on", srv.HTTPAddr(), "and", srv.GRPCAddr())
//	err = srv.Run(ctx) // until ctx ends
//
// [New] is the only assembly: the command runs what it returns, and so do the
// tests, on port 0.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/logsample"
	"github.com/ostiary/ostiary/server/internal/bounds"
	"github.com/ostiary/ostiary/server/internal/certificate"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/drain"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/health"
	"github.com/ostiary/ostiary/server/internal/inbox"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/metrics"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/proxy"
	"github.com/ostiary/ostiary/server/internal/relay"
	"github.com/ostiary/ostiary/server/internal/revokedlog"
	"github.com/ostiary/ostiary/server/internal/schemas"
	"github.com/ostiary/ostiary/server/internal/tokensource"
	"github.com/ostiary/ostiary/server/internal/tracing"
	"github.com/ostiary/ostiary/server/internal/transmitter"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// A Server listens as soon as [New] returns, and serves while Run runs. Its methods
// may be called from any goroutine.
type Server struct {
	config settings.Config
	tuning tuning
	log    *slog.Logger
	// strangers bounds what callers whom nobody knows make the log say.
	strangers *logsample.Sampler
	proxies   proxy.Trusted
	// certificate is nil without TLS.
	certificate *certificate.Pair
	keys        []keySource
	// snapshotsReadOnly has the snapshots of keys read and not written.
	snapshotsReadOnly bool
	keySets           map[string]jwks.Set // by the URL of the issuer
	guard             *auth.Guard
	metadata          atomic.Pointer[http.Handler] // nil where none is published

	reloading    sync.Mutex
	operators    operators
	enders       map[string]*outbox.Clerk // by the URL of the issuer
	followTokens *tokensource.Replaceable // nil at a hub

	feedGuard *auth.Guard // of the FeedService

	ledger *ledger.Ledger // nil at a relay
	relay  *relay.Relay   // nil at a hub
	// revokedLog is nil at a relay, which has no store.
	revokedLog *revokedlog.Log

	transmitter      *transmitter.Transmitter // nil where no security events are sent
	transmitterGuard *auth.Guard

	identity   *identityService
	session    *sessionService
	revocation *revocationService
	access     liveAccess
	backends   *schemas.Set
	rules      liveRules
	followers  feed.Followers
	decision   *decisionService
	status     *statusService
	token      *tokenService
	feed       *feed.Service
	health     *health.Service
	inbox      *inbox.Inbox
	admin      *adminServer     // nil where there is none
	metrics    *metrics.Metrics // nil where nobody reads them
	tracing    *tracing.Tracing // nil where nobody reads them
	decisions  *decisions.Log
	verifier   *token.Verifier

	httpListener, grpcListener, signalsListener net.Listener

	http, signalsHTTP *http.Server // signalsHTTP is nil without an address of its own
	grpc              *grpc.Server

	connections *bounds.Connections
	resets      *bounds.Resets
	refusals    *bounds.Refusals

	draining *drain.Drain  // has begun when the server says that it is about to stop
	stopping chan struct{} // closed when the server begins to stop
	stop     func()        // closes stopping, once
	close    func() error
}

// New checks the whole Config, begins to fetch keys and binds the listeners, so that the
// addresses are known and connections queue until Run. The context bounds New alone.
//
// If the Config has faults nothing is started, and the error is a *[settings.Error].
// Other errors come from the machine, such as an address that is in use.
//
// A Server that is not run must be closed.
func New(ctx context.Context, config settings.Config) (*Server, error) {
	return newServer(ctx, config, tuning{heartbeat: heartbeatInterval})
}

// tuning is what is no setting, and is otherwise in tests.
type tuning struct {
	heartbeat time.Duration // of streams
	maxEvents int           // that are kept for those who watch sessions; default: that of the ledger
}

func newServer(ctx context.Context, c settings.Config, tuning tuning) (*Server, error) {
	if faults := c.Faults(); len(faults) > 0 {
		if c.HTTPListener != nil {
			_ = c.HTTPListener.Close() // the faults are what the caller can mend
		}
		return nil, &settings.Error{Faults: faults}
	}
	c = c.WithDefaults()
	c.Logger = slog.New(transport.LogHandler(c.Logger.Handler()))
	s := &Server{
		config:       c,
		tuning:       tuning,
		log:          c.Logger,
		strangers:    &logsample.Sampler{Logger: c.Logger},
		httpListener: c.HTTPListener,
		draining:     drain.New(),
		stopping:     make(chan struct{}),
		operators:    operatorsOf(c),
	}
	s.proxies, _ = proxy.Parse(c.TrustedProxies) // Faults has found them good
	s.stop = sync.OnceFunc(func() {
		s.draining.Begin()
		close(s.stopping)
	})
	s.close = sync.OnceValue(s.release)
	s.logStart() //nolint:contextcheck // it is of no call
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) assemble(ctx context.Context) error {
	var err error
	if s.config.Follow.IsSet() {
		err = s.startRelay() //nolint:contextcheck // it follows as long as the server lives, not as long as New runs
	} else {
		err = s.openLedger(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.openDecisions(); err != nil {
		return err
	}
	if err := s.startTelemetry(ctx); err != nil {
		return err
	}
	if err := s.buildGuards(); err != nil { //nolint:contextcheck // keys are fetched as long as the server lives, not as long as New runs
		return err
	}
	s.identity = &identityService{heartbeat: s.tuning.heartbeat, stopping: s.stopping}
	s.session = &sessionService{ledger: s.ledger, operators: s.operators, heartbeat: s.tuning.heartbeat, stopping: s.stopping}
	s.revocation = &revocationService{ledger: s.ledger, operators: s.operators, heartbeat: s.tuning.heartbeat, stopping: s.stopping}
	s.health = health.New(health.Config{
		Services: settings.Services(), Ready: s.ready, MaxStreams: s.config.MaxStreams,
		Heartbeat: s.tuning.heartbeat, Draining: s.draining.Begun(), Stopping: s.stopping,
	})
	s.decision = &decisionService{log: s.decisions, operators: s.operators, heartbeat: s.tuning.heartbeat, stopping: s.stopping}
	s.status = &statusService{server: s, started: s.config.Now()}
	s.token = &tokenService{
		verifier: s.verifier, revocations: s.revocations(), access: &s.access, operators: s.operators,
	}
	if s.config.TLSCert != "" {
		if s.certificate, err = certificate.Open(s.config.TLSCert, s.config.TLSKey, s.config.Now, s.log); err != nil { //nolint:contextcheck // it is read as long as the server lives
			return fmt.Errorf("tls_cert and tls_key: %w", err)
		}
	}
	s.connections = &bounds.Connections{
		Max: s.config.MaxConnections, MaxPerAddress: s.config.MaxConnectionsPerAddress, Exempt: s.proxies.Contains, Refused: s.closeConnection,
	}
	s.resets = &bounds.Resets{Exempt: s.proxies.Contains, Closed: func(peer net.Addr) { //nolint:contextcheck // it is called while the server runs
		s.closeConnection(peer, "the client reset streams without pause")
	}}
	s.refusals = &bounds.Refusals{Exempt: s.proxies.Contains, MaxWaiting: max(s.config.MaxStreams/4, 1)}
	s.measure() //nolint:contextcheck // each reading of the metrics has its own
	if err := s.newHTTP(); err != nil {
		return err
	}
	s.grpc = s.newGRPC() //nolint:contextcheck // each call has its own
	return s.listen(ctx)
}

// listen listens on the address of a setting.
func listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	listener, err := transport.Listen(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return listener, nil
}

func (s *Server) listen(ctx context.Context) error {
	var err error
	if s.httpListener == nil {
		if s.httpListener, err = listen(ctx, "http_addr", s.config.HTTPAddr); err != nil {
			return err
		}
	}
	if s.grpcListener, err = listen(ctx, "grpc_addr", s.config.GRPCAddr); err != nil {
		return err
	}
	if s.signalsHTTP != nil {
		if s.signalsListener, err = listen(ctx, "signals_addr", s.config.SignalsAddr); err != nil {
			return err
		}
	}
	for _, listener := range []*net.Listener{&s.httpListener, &s.grpcListener, &s.signalsListener} {
		*listener = s.draining.Listener(*listener)
	}
	s.boundConnections(&s.httpListener, &s.grpcListener, &s.signalsListener)
	if s.config.ProxyProtocol {
		s.expectProxies(&s.httpListener, &s.grpcListener, &s.signalsListener)
	}
	return s.startAdmin(ctx)
}

// HTTPAddr returns the address of the listener for Connect, gRPC and gRPC-Web.
func (s *Server) HTTPAddr() net.Addr { return s.httpListener.Addr() }

// GRPCAddr returns the address of the listener for native gRPC.
func (s *Server) GRPCAddr() net.Addr { return s.grpcListener.Addr() }

// SignalsAddr returns the address of the listener for messages of issuers.
func (s *Server) SignalsAddr() net.Addr {
	if s.signalsListener == nil {
		return s.HTTPAddr()
	}
	return s.signalsListener.Addr()
}

// Run serves until ctx ends. Then readiness and health say no, and for Config.DrainDelay
// everything is served as before. After that the server stops: the listeners are closed,
// streams are ended, calls under way may finish for as long as Config.ShutdownTimeout, and
// everything is closed. It returns nil then. When a listener fails it stops at once and
// returns the error. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	s.log.Info("serving", "http", s.HTTPAddr().String(), "grpc", s.GRPCAddr().String(), "tls", s.config.TLSCert != "")
	group, ended := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serveHTTP("http_addr", s.http, s.httpListener) })
	if s.signalsHTTP != nil {
		s.log.Info("messages of issuers have an address of their own", "signals", s.SignalsAddr().String())
		group.Go(func() error { return s.serveHTTP("signals_addr", s.signalsHTTP, s.signalsListener) })
	}
	group.Go(s.serveGRPC)
	if s.admin != nil {
		s.log.Info("operators have an address of their own", "admin", s.AdminAddr().String(), "profiling", s.config.Profiling)
	}
	group.Go(s.admin.serve)
	polling, stopPolling := context.WithCancel(context.WithoutCancel(ctx)) // also while the server drains
	defer stopPolling()
	group.Go(func() error {
		s.inbox.Run(polling)
		return nil
	})
	group.Go(func() error {
		s.backends.Run(polling)
		return nil
	})
	group.Go(func() error {
		<-ended.Done()
		if ctx.Err() != nil { // else a listener has failed
			s.drain()
		}
		stopPolling()
		s.shutdown(context.WithoutCancel(ended))
		return s.admin.close() // last, so that operators can watch the end
	})
	return errors.Join(group.Wait(), s.Close())
}

func (s *Server) serveHTTP(setting string, server *http.Server, listener net.Listener) error {
	serve := server.Serve
	if s.config.TLSCert != "" {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(s.logMismatch(setting, listener)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) serveGRPC() error {
	if err := s.grpc.Serve(s.logMismatch("grpc_addr", s.grpcListener)); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// logMismatch has callers logged who speak TLS where none is served, or the reverse.
func (s *Server) logMismatch(setting string, listener net.Listener) net.Listener {
	return transport.LogMismatch(listener, transport.Port{Setting: setting, TLS: s.config.TLSCert != ""}, s.strangers)
}

// drain says that the server is about to stop, and goes on serving until load balancers
// have seen that.
func (s *Server) drain() {
	if s.config.DrainDelay > 0 {
		s.draining.Begin()
		s.log.Info("about to stop: not ready any more, and calls are still served", "drain_delay", s.config.DrainDelay)
		<-time.After(s.config.DrainDelay)
	}
}

// shutdown ends the streams that would not end, waits for the other calls within
// ShutdownTimeout, and cuts off the rest.
func (s *Server) shutdown(ctx context.Context) {
	s.log.Info("stopping", "timeout", s.config.ShutdownTimeout)
	ctx, cancel := context.WithTimeout(ctx, s.config.ShutdownTimeout)
	defer cancel()
	if s.draining.HasBegun() {
		// Connections that stay silent must not take the time in which streams can end.
		finishing, cancel := context.WithTimeout(ctx, s.config.ShutdownTimeout/2)
		s.draining.Finish(finishing)
		cancel()
	}
	s.stop()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.grpc.GracefulStop()
	}()
	err := s.http.Shutdown(ctx)
	if s.signalsHTTP != nil {
		err = errors.Join(err, s.signalsHTTP.Shutdown(ctx))
	}
	select {
	case <-drained:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		err = errors.Join(s.guard.Drain(ctx), s.feedGuard.Drain(ctx), s.transmitterGuard.Drain(ctx))
	}
	if err != nil {
		s.log.Warn("cutting off calls that are still under way", "remedy", "raise shutdown_timeout if they need longer")
		_ = s.http.Close()
		if s.signalsHTTP != nil {
			_ = s.signalsHTTP.Close()
		}
		s.grpc.Stop()
	}
	<-drained
}

// Close releases the listeners, the keys and the database of a Server that was
// not run. It may be called again, and after Run, to no effect.
func (s *Server) Close() error { return s.close() }

func (s *Server) release() error {
	s.stop()
	s.strangers.Flush()
	s.certificate.Close()
	var errs []error
	for _, listener := range []net.Listener{s.httpListener, s.grpcListener, s.signalsListener} {
		if listener == nil {
			continue
		}
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.decisions.Close(), s.admin.close(), s.metrics.Close(), s.tracing.Close(), s.closeKeys(), s.inbox.Close())
	s.transmitter.Close()
	s.revokedLog.Close()
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	if s.relay != nil {
		errs = append(errs, s.relay.Close())
	}
	return errors.Join(errs...)
}
