package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"connectrpc.com/validate"
	grpcvalidate "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// witnesses count what has seen a call.
type witnesses struct{ validated, logged, ran atomic.Int32 }

// Validate is that of a protovalidate.Validator that finds nothing wrong.
func (w *witnesses) Validate(proto.Message, ...protovalidate.ValidationOption) error {
	w.validated.Add(1)
	return nil
}

// A kind of call, for which the order may matter.
type kind struct {
	name   string
	token  string
	policy auth.Policy
	panics bool   // the handler
	want   string // reason or code
}

// runs reports whether the handler runs.
func (k kind) runs() bool { return k.panics || k.want == "ok" }

var kinds = []kind{
	{"a stranger", "", guardtest.Everyone{}, false, "TOKEN_MISSING"},
	{"a request that the rule refuses", guardtest.GoodToken, refusesRequests{}, false, "CONDITION_NOT_MET"},
	{"an admitted call", guardtest.GoodToken, guardtest.Everyone{}, false, "ok"},
	{"a handler that panics", guardtest.GoodToken, guardtest.Everyone{}, true, "data_loss"},
}

// orders returns all orders of the names, as lists.
func orders(names ...string) (all [][]string) {
	if len(names) == 0 {
		return [][]string{nil}
	}
	for i, first := range names {
		for _, rest := range orders(slices.Concat(names[:i], names[i+1:])...) {
			all = append(all, append([]string{first}, rest...))
		}
	}
	return all
}

// outcome is what a call brings its client, and what has seen it.
func outcome(got string, validated, logged, traced, ran int32) string {
	return fmt.Sprintf("%s, validated %d, logged %d, traced %d, ran %d", got, validated, logged, traced, ran)
}

// TestNoOrderOfConnectInterceptorsIsOpen has every order of the options of a handler. The
// guard decides first in all of them. What its rule refuses by the request, those before it
// see, and in a stream all but validation; recovery works anywhere.
func TestNoOrderOfConnectInterceptorsIsOpen(t *testing.T) {
	t.Parallel()
	for _, order := range orders("guard", "validation", "traces", "recovery", "log") {
		for _, kind := range kinds {
			for _, stream := range []bool{false, true} {
				w := new(witnesses)
				spans := tracetest.NewSpanRecorder()
				handler := orderedConnect(t, order, kind, w, spans)
				got := connectOutcome(callInMemory(t, handler, kind.token, stream))
				sees := func(name string) int32 {
					switch kind.want {
					case "TOKEN_MISSING":
						return 0
					case "CONDITION_NOT_MET":
						return one(before(order, name, "guard") || stream && name != "validation")
					default:
						return 1
					}
				}
				got = outcome(got, w.validated.Load(), w.logged.Load(), int32(len(spans.Started())), w.ran.Load())
				want := outcome(kind.want, sees("validation"), sees("log"), sees("traces"), one(kind.runs()))
				if got != want {
					t.Errorf("%s, stream %t, %s: %s; want %s", strings.Join(order, ", "), stream, kind.name, got, want)
				}
			}
		}
	}
}

func one(yes bool) int32 {
	if yes {
		return 1
	}
	return 0
}

// before reports whether a name is in the order, and before another.
func before(order []string, name, other string) bool {
	return slices.Index(order, name) < slices.Index(order, other)
}

func orderedConnect(t *testing.T, order []string, kind kind, w *witnesses, spans *tracetest.SpanRecorder) http.Handler {
	t.Helper()
	traces, err := otelconnect.NewInterceptor(otelconnect.WithoutMetrics(),
		otelconnect.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))))
	if err != nil {
		t.Fatal(err)
	}
	guard := guardtest.NewGuard(nil)
	guard.Policy = kind.policy
	var options []connect.HandlerOption
	for _, name := range order {
		options = append(options, map[string]connect.HandlerOption{
			"guard":      connectauth.WithGuard(guard),
			"validation": connect.WithInterceptors(validate.NewInterceptor(validate.WithValidator(w))),
			"traces":     connect.WithInterceptors(traces),
			"recovery": connect.WithRecover(func(context.Context, connect.Spec, http.Header, any) error {
				return connect.NewError(connect.CodeDataLoss, errors.New("recovered"))
			}),
			"log": connect.WithInterceptors(connectLog{w}),
		}[name])
	}
	_, handler := identityv1connect.NewIdentityServiceHandler(connectService{service: &service{seen: &w.ran, panics: kind.panics}}, options...)
	return handler
}

// connectLog counts calls.
type connectLog struct{ *witnesses }

func (l connectLog) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		l.logged.Add(1)
		return next(ctx, req)
	}
}

func (l connectLog) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		l.logged.Add(1)
		return next(ctx, conn)
	}
}

func (connectLog) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// inMemory is a client of a handler.
type inMemory struct{ http.Handler }

func (m inMemory) Do(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	m.ServeHTTP(answer, r)
	return answer.Result(), nil
}

func callInMemory(t *testing.T, handler http.Handler, token string, stream bool) error {
	t.Helper()
	ctx, info := connect.NewClientContext(t.Context())
	if token != "" {
		info.RequestHeader().Set("Authorization", "Bearer "+token)
	}
	client := identityv1connect.NewIdentityServiceClient(inMemory{handler}, "http://in-memory.test")
	if !stream {
		_, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		return err
	}
	watch, err := client.WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
	if err != nil {
		return err
	}
	for watch.Receive() { // to its end
	}
	return errors.Join(watch.Err(), watch.Close())
}

func connectOutcome(err error) string {
	if reason, refused := connectauth.ReasonOf(err); refused {
		return reason.String()
	}
	if err == nil {
		return "ok"
	}
	return connect.CodeOf(err).String()
}

// TestNoOrderOfGRPCInterceptorsIsOpen has every order of the options of NewServer, and of a
// chain of one's own with a Gate and without. In the chain alone, those before the guard
// see the decoded requests of strangers: that is what a Gate is for, which NewServer has.
func TestNoOrderOfGRPCInterceptorsIsOpen(t *testing.T) {
	t.Parallel()
	own := func(guard *auth.Guard) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(guard)),
			grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)),
		}
	}
	all := orders("guard", "validation", "recovery", "log")
	const never, shown, always = 0, 1, 2
	for name, tt := range map[string]struct {
		orders    [][]string
		guard     func(*auth.Guard) []grpc.ServerOption // where the order has it
		newServer func(guard *auth.Guard, options []grpc.ServerOption) server
		unary     int // whether those before the guard see unary calls that are refused: if they ask for it, always with the request, or never
	}{
		"NewServer": {orders("validation", "recovery", "log"), nil, func(guard *auth.Guard, options []grpc.ServerOption) server {
			return grpcauth.NewServer(guard, options...)
		}, never},
		"NewServer with ShowRefusals": {
			slices.DeleteFunc(slices.Clone(all), func(order []string) bool { return before(order, "validation", "guard") }),
			func(*auth.Guard) []grpc.ServerOption { return []grpc.ServerOption{grpcauth.ShowRefusals()} },
			func(guard *auth.Guard, options []grpc.ServerOption) server {
				return grpcauth.NewServer(guard, options...)
			}, shown,
		},
		"a chain and a Gate": {all, own, func(guard *auth.Guard, options []grpc.ServerOption) server {
			s := grpc.NewServer(options...)
			return gated{s, grpcauth.Gate(s, guard)}
		}, never},
		"a chain": {all, own, func(_ *auth.Guard, options []grpc.ServerOption) server {
			return grpc.NewServer(options...)
		}, always},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range tt.orders {
				for _, kind := range kinds {
					for _, stream := range []bool{false, true} {
						w := new(witnesses)
						guard := guardtest.NewGuard(nil)
						guard.Policy = kind.policy
						var options []grpc.ServerOption
						for _, name := range order {
							if name == "guard" {
								options = append(options, tt.guard(guard)...)
							} else {
								options = append(options, w.interceptors(name)...)
							}
						}
						s := tt.newServer(guard, options)
						identityv1.RegisterIdentityServiceServer(s, &service{seen: &w.ran, panics: kind.panics})
						got := grpcOutcome(callGRPC(t, dial(t, s), kind.token, stream))
						s.GracefulStop()
						sees := func(name string) int32 {
							first := before(order, name, "guard")
							switch {
							case kind.runs():
								return 1
							case stream && kind.want == "CONDITION_NOT_MET":
								return one(first || name != "validation")
							case stream:
								return one(first && name != "validation") // of a stranger, no message is read
							case name == "validation":
								return one(first && tt.unary == always)
							default:
								return one(first && tt.unary != never)
							}
						}
						got = outcome(got, w.validated.Load(), w.logged.Load(), 0, w.ran.Load())
						want := outcome(kind.want, sees("validation"), sees("log"), 0, one(kind.runs()))
						if got != want {
							t.Errorf("%s, stream %t, %s: %s; want %s", strings.Join(order, ", "), stream, kind.name, got, want)
						}
					}
				}
			}
		})
	}
}

// interceptors are the options for a name.
func (w *witnesses) interceptors(name string) []grpc.ServerOption {
	switch name {
	case "validation":
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(grpcvalidate.UnaryServerInterceptor(w)),
			grpc.ChainStreamInterceptor(grpcvalidate.StreamServerInterceptor(w)),
		}
	case "recovery":
		recovered := recovery.WithRecoveryHandler(func(any) error { return status.Error(codes.DataLoss, "recovered") })
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(recovery.UnaryServerInterceptor(recovered)),
			grpc.ChainStreamInterceptor(recovery.StreamServerInterceptor(recovered)),
		}
	default:
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				w.logged.Add(1)
				return next(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				w.logged.Add(1)
				return next(server, stream)
			}),
		}
	}
}

func callGRPC(t *testing.T, client identityv1.IdentityServiceClient, token string, stream bool) error {
	t.Helper()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if !stream {
		_, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		return err
	}
	watch, err := client.WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
	for err == nil {
		_, err = watch.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func grpcOutcome(err error) string {
	if reason, refused := grpcauth.ReasonOf(err); refused {
		return reason.String()
	}
	if err == nil {
		return "ok"
	}
	return connect.Code(status.Code(err)).String()
}

// TestNoOrderOfHTTPMiddlewareIsOpen has every order of what may stand around a handler.
// Those outside of Protect see what it refuses, and those within do not.
func TestNoOrderOfHTTPMiddlewareIsOpen(t *testing.T) {
	t.Parallel()
	for _, order := range orders("RequireGuard", "guard", "traces", "recovery", "log") {
		for _, kind := range kinds {
			if kind.want == "CONDITION_NOT_MET" {
				continue // there are no messages
			}
			w := new(witnesses)
			spans := tracetest.NewSpanRecorder()
			handler := orderedHTTP(order, kind, w, spans)
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			if kind.token != "" {
				request.Header.Set("Authorization", "Bearer "+kind.token)
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			sees := func(name string) int32 { return one(kind.runs() || before(order, name, "guard")) }
			got := outcome(strconv.Itoa(answer.Code), 0, w.logged.Load(), int32(len(spans.Started())), w.ran.Load())
			status := map[string]string{"TOKEN_MISSING": "401", "ok": "200", "data_loss": "500"}[kind.want]
			if want := outcome(status, 0, sees("log"), sees("traces"), one(kind.runs())); got != want {
				t.Errorf("%s, %s: %s; want %s", strings.Join(order, ", "), kind.name, got, want)
			}
		}
	}
}

// orderedHTTP puts the first of the order outermost.
func orderedHTTP(order []string, kind kind, w *witnesses, spans *tracetest.SpanRecorder) http.Handler {
	guard := guardtest.NewGuard(nil)
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	s := &service{seen: &w.ran, panics: kind.panics}
	var handler http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.see() })
	for _, name := range slices.Backward(order) {
		next := handler
		switch name {
		case "RequireGuard":
			handler = httpauth.RequireGuard(guard, next)
		case "guard":
			handler = httpauth.Protect(guard, whoAmI, next)
		case "traces":
			handler = otelhttp.NewHandler(next, "api", otelhttp.WithTracerProvider(provider), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()))
		case "recovery":
			handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					if p := recover(); p != nil {
						w.WriteHeader(http.StatusInternalServerError)
					}
				}()
				next.ServeHTTP(w, r)
			})
		case "log":
			handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				w.logged.Add(1)
				next.ServeHTTP(out, r)
			})
		}
	}
	return handler
}
