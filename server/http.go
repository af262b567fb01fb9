package server

import (
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/status/v1/statusv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/token/v1/tokenv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/server/internal/health"
	"github.com/ostiary/ostiary/server/internal/proxy"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

func (s *Server) newHTTP() error {
	handler, err := s.handler()
	if err != nil {
		return err
	}
	s.http = transport.NewHTTPServer(handler, s.certificate.TLSConfig(), s.strangers)
	s.resets.Bound(s.http)
	if s.config.SignalsAddr != "" {
		s.signalsHTTP = transport.NewHTTPServer(s.proxies.Middleware(withRequestIDs(s.inbox.Handler(s.callLog()))), s.certificate.TLSConfig(), s.strangers)
		s.resets.Bound(s.signalsHTTP)
	}
	s.draining.Join(s.http, s.signalsHTTP)
	return nil
}

// handler is everything on the HTTP port.
func (s *Server) handler() (http.Handler, error) {
	mux, err := s.routes()
	if err != nil {
		return nil, err
	}
	streaming := streams()
	return transport.Chain(mux,
		s.proxies.Middleware, // first, so that all else sees the client
		withRequestIDs,
		s.serveSignals,
		transport.BodyDeadline(s.config.RequestTimeout, streaming),
		s.serveMetadata,
		transport.CORS(s.config.CORS).Middleware(s.strangers), // so that refusals carry its headers too
		s.callLog().Middleware,
		transport.ExactPaths,
		transport.Unbuffered(streaming),
		s.guardOptions,
		connectauth.Abortable,
		transport.RecordRoute,
	), nil
}

func (s *Server) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	mux.HandleFunc(routeLive, live)
	mux.HandleFunc(routeReady, s.serveReady)
	own := s.handlerOptions(s.guard, connectauth.StrictJSON(rpcerror.InvalidMessage))
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectIdentity{s.identity}, own...))
	mux.Handle(sessionv1connect.NewSessionServiceHandler(connectSession{s.session}, s.atHub(own)...))
	mux.Handle(revocationv1connect.NewRevocationServiceHandler(connectRevocation{s.revocation}, s.atHub(own)...))
	mux.Handle(accessv1connect.NewAccessServiceHandler(&s.access, own...))
	mux.Handle(decisionv1connect.NewDecisionServiceHandler(connectDecision{s.decision}, own...))
	mux.Handle(statusv1connect.NewStatusServiceHandler(s.status, own...))
	mux.Handle(tokenv1connect.NewTokenServiceHandler(s.token, own...))
	s.feed.Mount(mux, s.handlerOptions(s.feedGuard, connectauth.StrictJSON(rpcerror.InvalidMessage))...)
	s.health.Mount(mux, s.handlerOptions(s.guard)...)
	if s.config.Reflection {
		reflector := grpcreflect.NewStaticReflector(append(settings.Services(), health.Name)...)
		mux.Handle(grpcreflect.NewHandlerV1(reflector, s.handlerOptions(s.guard)...))
		mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, s.handlerOptions(s.guard)...))
	}
	s.transmitterRoutes(mux)
	for pattern, handler := range s.config.Routes {
		mux.Handle(pattern, handler)
	}
	page := consoleConfig(s.config)
	page.Backends = s.backendURLs
	return mux, page.Mount(mux)
}

// streams returns a function that reports whether a path is that of a streaming
// method.
func streams() func(path string) bool {
	paths := make(map[string]bool)
	served := append(settings.Services(), health.Name, grpcreflect.ReflectV1ServiceName, grpcreflect.ReflectV1AlphaServiceName)
	for _, name := range served {
		// All are linked in: each is served by its generated code.
		descriptor, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		service, ok := descriptor.(protoreflect.ServiceDescriptor)
		for i := 0; ok && i < service.Methods().Len(); i++ {
			method := service.Methods().Get(i)
			paths["/"+name+"/"+string(method.Name())] = method.IsStreamingClient() || method.IsStreamingServer()
		}
	}
	return func(path string) bool { return paths[path] }
}

// serveSignals serves the messages of issuers on the HTTP port, unless they have one of their own.
func (s *Server) serveSignals(next http.Handler) http.Handler {
	if s.inbox.IsEmpty() || s.config.SignalsAddr != "" {
		return next
	}
	received := s.inbox.Handler(s.callLog())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, settings.SignalsPath) {
			received.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withRequestIDs gives each call its id, which trusted proxies may choose.
func withRequestIDs(next http.Handler) http.Handler {
	return httpauth.RequestIDs(next, func(r *http.Request) bool { return proxy.FromTrusted(r.Context()) })
}

func (s *Server) callLog() transport.CallLog {
	calls := transport.CallLog{Strangers: s.strangers, Quiet: isFrequent, End: s.endCall}
	if s.tracing != nil {
		calls.Begin = s.tracing.Begin
	}
	return calls
}

// procedureOptions names OPTIONS requests in the log. They are no method, so they are not
// among the rules.
const procedureOptions = "OPTIONS (not a preflight)"

// guarded are the rules of all methods, and that of OPTIONS requests.
type guarded struct{ auth.Policy }

// Rule implements auth.Policy.
func (g guarded) Rule(procedure string) auth.Rule {
	if procedure == procedureOptions {
		return anyToken{}
	}
	return g.Policy.Rule(procedure)
}

// anyToken is the rule that requires a valid token, and no more.
type anyToken struct{}

// Check implements auth.Rule.
func (anyToken) Check(id *auth.Identity) error {
	if id == nil {
		return auth.NewError(auth.TokenMissing, nil)
	}
	return nil
}

// guardOptions requires a token for every OPTIONS request. A preflight, which
// cannot have one, does not get here: CORS answers it.
func (s *Server) guardOptions(next http.Handler) http.Handler {
	options := httpauth.Protect(s.guard, procedureOptions, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			options.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// handlerOptions are those of every connect handler, with more between recovery and
// the guard. The first interceptor is the outermost: the log sees what recovery makes
// of a panic.
func (s *Server) handlerOptions(guard *auth.Guard, more ...connect.HandlerOption) []connect.HandlerOption {
	return slices.Concat(transport.ConnectLimits(), []connect.HandlerOption{
		connect.WithInterceptors(transport.RecordOutcome{}),
		connect.WithRecover(transport.Recovery{Log: s.log}.Connect),
	}, more, []connect.HandlerOption{connectauth.WithGuard(guard)})
}

// buildMetadata has the guard name the metadata in its challenges.
func (s *Server) buildMetadata(scopes []string) error {
	if s.config.ResourceURL == "" {
		return nil
	}
	var err error
	if s.guard.ResourceMetadata, _, err = s.config.ResourceMetadata(scopes).Handler(); err != nil {
		return err
	}
	return s.publishMetadata(scopes)
}

// publishMetadata publishes the scopes that rules mention, where metadata are published.
func (s *Server) publishMetadata(scopes []string) error {
	if s.config.ResourceURL == "" {
		return nil
	}
	_, handler, err := s.config.ResourceMetadata(scopes).Handler()
	if err == nil {
		s.metadata.Store(&handler)
	}
	return err
}

// serveMetadata answers for everybody, before CORS: a client may come from any page.
func (s *Server) serveMetadata(next http.Handler) http.Handler {
	if s.metadata.Load() == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == httpauth.MetadataPath || strings.HasPrefix(path, httpauth.MetadataPath+"/") {
			(*s.metadata.Load()).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
