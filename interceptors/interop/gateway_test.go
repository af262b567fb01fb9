package interop_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// register serves WhoAmI at /v1/me, as the code that grpc-gateway generates does.
func register(t *testing.T, mux *runtime.ServeMux, whoAmI func(w http.ResponseWriter, r *http.Request) (context.Context, *identityv1.WhoAmIResponse, error)) {
	t.Helper()
	err := mux.HandlePath(http.MethodGet, "/v1/me", func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		_, marshaler := runtime.MarshalerForRequest(mux, r)
		ctx, res, err := whoAmI(w, r)
		if err != nil {
			runtime.HTTPError(ctx, mux, marshaler, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, marshaler, w, r, res)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inProcess calls a service that starts a span of its own.
func inProcess(t *testing.T, provider *trace.TracerProvider, guard *auth.Guard) http.Handler {
	t.Helper()
	mux := runtime.NewServeMux(gatewayauth.WithGuard(guard))
	register(t, mux, func(_ http.ResponseWriter, r *http.Request) (context.Context, *identityv1.WhoAmIResponse, error) {
		ctx, err := runtime.AnnotateIncomingContext(r.Context(), mux, r, whoAmI)
		if err != nil {
			return ctx, nil, err
		}
		ctx, span := provider.Tracer("application").Start(ctx, "last")
		defer span.End()
		res, err := new(service).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		return ctx, res, err
	})
	return httpauth.RequireGuard(guard, mux)
}

// dialling calls a server in the same process.
func dialling(t *testing.T, provider *trace.TracerProvider, guard *auth.Guard) http.Handler {
	t.Helper()
	traced := []otelgrpc.Option{
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	}
	server := grpcauth.NewServer(guard, grpc.StatsHandler(otelgrpc.NewServerHandler(traced...)))
	identityv1.RegisterIdentityServiceServer(server, new(service))
	listener := bufconn.Listen(1 << 16)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	conn, err := grpc.NewClient("passthrough:///in-process",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(traced...)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	mux := runtime.NewServeMux(gatewayauth.RelayRefusals())
	register(t, mux, func(_ http.ResponseWriter, r *http.Request) (context.Context, *identityv1.WhoAmIResponse, error) {
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, whoAmI)
		if err != nil {
			return ctx, nil, err
		}
		var metadata runtime.ServerMetadata
		res, err := identityv1.NewIdentityServiceClient(conn).WhoAmI(ctx, &identityv1.WhoAmIRequest{}, grpc.Header(&metadata.HeaderMD), grpc.Trailer(&metadata.TrailerMD))
		return runtime.NewServerMetadataContext(ctx, metadata), res, err
	})
	return mux
}

// TestAGatewayIsInTheTraceOfItsCaller has otelhttp around the gateway, which reads the
// caller's trace context: everything is one trace, also what is refused, and no span is
// without a parent.
func TestAGatewayIsInTheTraceOfItsCaller(t *testing.T) {
	t.Parallel()
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, tt := range map[string]struct {
		gateway           func(*testing.T, *trace.TracerProvider, *auth.Guard) http.Handler
		admitted, refused int // spans
	}{
		"in process": {inProcess, 2, 1},
		"dialling":   {dialling, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider, _, guard := newTraces(t)
			ended := make(endedSpans, 100)
			provider.RegisterSpanProcessor(ended)
			handler := otelhttp.NewHandler(tt.gateway(t, provider, guard), "api",
				otelhttp.WithTracerProvider(provider), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
				otelhttp.WithPropagators(propagation.TraceContext{}))
			url, client := serve(t, handler)
			client.Transport = withHeader{client.Transport, "Traceparent", traceparent}
			for _, call := range []struct {
				token, outcome string
				spans          int
			}{{"", "refused", tt.refused}, {guardtest.GoodToken, "admitted", tt.admitted}, {guardtest.GoodToken, "admitted", tt.admitted}} {
				status, _, body := get(t, client, url+"/v1/me", call.token)
				if (status == http.StatusOK) != (call.outcome == "admitted") {
					t.Fatalf("%d %s", status, body)
				}
				decided := 0
				for range call.spans {
					span := <-ended
					if got := span.SpanContext().TraceID().String(); got != traceparent[3:35] || !span.Parent().IsValid() {
						t.Errorf("span %s of %s is in trace %s, with parent %s", span.Name(), call.outcome, got, span.Parent().SpanID())
					}
					if value(span, "ostiary.outcome") == call.outcome {
						decided++
					}
				}
				if decided != 1 || len(ended) != 0 {
					t.Errorf("%s: %d spans have the decision, and there are %d more; want one, and no more", call.outcome, decided, len(ended))
				}
			}
		})
	}
}

// endedSpans has every span that has ended: a server's ends after its client has the answer.
type endedSpans chan trace.ReadOnlySpan

func (e endedSpans) OnEnd(span trace.ReadOnlySpan)              { e <- span }
func (endedSpans) OnStart(context.Context, trace.ReadWriteSpan) {}
func (endedSpans) Shutdown(context.Context) error               { return nil }
func (endedSpans) ForceFlush(context.Context) error             { return nil }

// withHeader adds a header to every request.
type withHeader struct {
	http.RoundTripper

	name, value string
}

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return h.RoundTripper.RoundTrip(r)
}
