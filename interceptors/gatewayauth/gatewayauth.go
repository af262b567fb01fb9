// Package gatewayauth guards the gateways of github.com/grpc-ecosystem/grpc-gateway/v2.
//
// A gateway that calls the service in its own process (RegisterXHandlerServer) goes past
// every interceptor of gRPC. [WithGuard] guards it:
//
//	mux := runtime.NewServeMux(gatewayauth.WithGuard(guard))
//	err := invoicev1.RegisterInvoiceServiceHandlerServer(ctx, mux, service)
//	http.ListenAndServe(addr, httpauth.RequireGuard(guard, mux))
//
// A gateway that dials a server (RegisterXHandler, RegisterXHandlerFromEndpoint) hands
// the Authorization header on, and the server decides. [RelayRefusals] answers its
// refusals as HTTP asks, with their challenge:
//
//	mux := runtime.NewServeMux(gatewayauth.RelayRefusals())
//	err := invoicev1.RegisterInvoiceServiceHandlerFromEndpoint(ctx, mux, endpoint, dialOptions)
//	http.ListenAndServe(addr, httpauth.Unguarded(mux)) // within a RequireGuard
//
// # Conditions on the request, and streams
//
// In process, grpc-gateway shows nobody the request message that it has put together
// from the path, the query and the body. So a method whose rule has a condition on it is
// refused with AUTH_FAILURE, and the Observer sees why; the guard's Logger has a warning that
// names such methods at the start. grpc-gateway has no streams there either. For both, dial the server within the process, which also puts its
// interceptors to work:
//
//	server := grpcauth.NewServer(guard)
//	invoicev1.RegisterInvoiceServiceServer(server, service)
//	listener := bufconn.Listen(1 << 20) // google.golang.org/grpc/test/bufconn
//	go server.Serve(listener)
//	conn, err := grpc.NewClient("passthrough:///in-process",
//		grpc.WithTransportCredentials(insecure.NewCredentials()),
//		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
//	mux := runtime.NewServeMux(gatewayauth.RelayRefusals())
//	err = invoicev1.RegisterInvoiceServiceHandler(ctx, mux, conn)
//
// # Traces
//
// grpc-gateway does not read the trace context of a request, so by itself the spans of a
// service have no parent, and neither has that of a refusal (package otelauth). Wrap the
// mux by otelhttp: its span is then the parent, and has the decision. A gateway that dials
// needs otelgrpc's client handler for its connection too.
//
// # Other gateways
//
// connectrpc.com/vanguard needs nothing of this package: it turns a request into a call
// of the handler behind it, whose guard decides, with the registered method as the
// procedure. With grpc-go behind it, vanguard leaves the challenge out of its REST answers.
package gatewayauth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// WithGuard guards every method that is registered with the mux: each request asks the
// Guard first, and one that it admits goes on with the caller's identity in the context
// of the service ([auth.FromContext]). The procedure is the method's own name, such as
// /acme.invoice.v1.InvoiceService/GetInvoice, whichever path led to it.
//
// The request holds a lease, and is answered with a refusal or cut when that ends, as
// [httpauth.Protect] says. Nothing of the body is read for a caller who is refused, except
// by a mux that takes a form for the query of a GET; give runtime.WithDisablePathLengthFallback
// to prevent that.
//
// A refusal is answered by the mux's error handler, in the form of all its errors, with
// the reason among the details and the challenge as WWW-Authenticate. A service that
// returns an *[auth.Error] refuses in just the same way. For that, WithGuard sets the
// mux's error handlers: if you have your own, give them after it, and wrap the first by
// [ErrorHandler].
//
// Give it after your other middlewares (runtime.WithMiddlewares). They then see its
// refusals, and no panic: the first request to each path has its handler called twice,
// as only the handler knows its method. The first time it is stopped, by a panic that
// WithGuard recovers, before it has read anything.
//
// What was registered by HandlePath and is no RPC is not guarded: use [httpauth.Protect]
// for it. [httpauth.RequireGuard] around the mux refuses what was forgotten, but not before
// it has run. An http.ServeMux in which this mux is mounted, as "/v1/" say, has RequireGuard
// refuse a mux without WithGuard before anything of it runs.
//
// With a nil Guard every call is refused.
func WithGuard(guard *auth.Guard) runtime.ServeMuxOption {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	return func(mux *runtime.ServeMux) {
		g := &gateway{guard: guard, mux: mux}
		runtime.WithMetadata(g.annotate)(mux)
		runtime.WithMiddlewares(g.protect)(mux)
		setErrorHandlers(mux)
		guard.MarkGuarded(mux)
		warn(guard)
	}
}

// warn logs which methods have a condition on their request, which WithGuard cannot show.
// Whether this gateway has them is not known before they are called.
func warn(guard *auth.Guard) {
	rules, ok := guard.Policy.(*policy.Policy)
	if !ok {
		return
	}
	var procedures []string
	for _, entry := range rules.Entries() {
		if _, condition := rules.Rule(entry.Procedure).(auth.MessageRule); condition {
			procedures = append(procedures, entry.Procedure)
		}
	}
	if len(procedures) > 0 {
		cmp.Or(guard.Logger, slog.Default()).Warn("a grpc-gateway with a guard of its own refuses calls of methods with a condition on the request, which it does not show; if it has them, dial the server within the process, with gatewayauth.RelayRefusals",
			"procedures", procedures)
	}
}

type gateway struct {
	guard *auth.Guard
	mux   *runtime.ServeMux
}

// protect guards the handler of one path. It learns the method from the first request.
func (g *gateway) protect(next runtime.HandlerFunc) runtime.HandlerFunc {
	var protected atomic.Pointer[http.Handler] // nil until the method is known
	next = relay(next)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		params, _ := r.Context().Value(paramsKey{}).(map[string]string)
		next(w, r, params)
	})
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if protected.Load() == nil {
			method, answered := g.learn(next, w, r, params)
			if method != "" {
				known := httpauth.Protect(g.guard, method, handler, httpauth.RefuseWith(g.refuse))
				protected.Store(&known)
			}
			if answered {
				return
			}
		}
		ctx := context.WithValue(context.WithValue(r.Context(), guardKey{}, g.guard), paramsKey{}, params)
		(*protected.Load()).ServeHTTP(w, r.WithContext(ctx))
	}
}

type (
	guardKey  struct{}           // finds the guard of a request
	paramsKey struct{}           // finds what the path of a request has named
	methodKey struct{ *gateway } // finds where the gateway notes the method
)

// learn calls a handler until it names its method, and returns that. A handler that
// names none has answered.
func (g *gateway) learn(next runtime.HandlerFunc, w http.ResponseWriter, r *http.Request, params map[string]string) (method string, answered bool) {
	defer func() {
		if method != "" && !answered {
			_ = recover() // of annotate's panic
		}
	}()
	next(w, r.WithContext(context.WithValue(r.Context(), methodKey{g}, &method)), params)
	return method, true // another middleware may have recovered the panic, and answered
}

// annotate is called by the generated code, which has named its method, before it reads
// the request.
func (g *gateway) annotate(ctx context.Context, r *http.Request) metadata.MD {
	method, _ := runtime.RPCMethod(ctx)
	if learned, ok := r.Context().Value(methodKey{g}).(*string); ok {
		*learned = method
		panic("gatewayauth: the method is known; give WithGuard after other middlewares")
	}
	if !g.guard.Admitted(ctx, method) {
		panic(fmt.Sprintf("gatewayauth: the handler of %s runs without the context of its request: generate it with request_context=true", method))
	}
	return nil
}

// refuse answers a refusal as the mux answers its errors.
func (g *gateway) refuse(w http.ResponseWriter, r *http.Request, refusal *auth.Error) {
	_, marshaler := runtime.MarshalerForRequest(g.mux, r)
	runtime.HTTPError(r.Context(), g.mux, marshaler, w, r, &statusError{refusal, auth.RequestID(r.Context())})
}
