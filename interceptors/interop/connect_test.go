package interop_test

import (
	"testing"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"connectrpc.com/validate"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/otelauth"
)

// newTraces returns what records spans, and a guard that shows it decisions.
func newTraces(t *testing.T) (*trace.TracerProvider, *tracetest.SpanRecorder, *auth.Guard) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	observer, err := otelauth.New(otelauth.Config{TracerProvider: provider, MeterProvider: metricnoop.NewMeterProvider()})
	if err != nil {
		t.Fatal(err)
	}
	return provider, spans, guardtest.NewGuard(observer.Observe)
}

// value returns an attribute of a span, "" where it has none.
func value(span trace.ReadOnlySpan, key attribute.Key) string {
	for _, a := range span.Attributes() {
		if a.Key == key {
			return a.Value.AsString()
		}
	}
	return ""
}

// TestOtelconnectAndRefusals has one span for each call: an admitted one has otelconnect's,
// and a refused one, which otelconnect does not see, one of the same form.
func TestOtelconnectAndRefusals(t *testing.T) {
	t.Parallel()
	provider, spans, guard := newTraces(t)
	traces, err := otelconnect.NewInterceptor(otelconnect.WithTracerProvider(provider), otelconnect.WithoutMetrics())
	if err != nil {
		t.Fatal(err)
	}
	handler := newConnectHandler(connectauth.WithGuard(guard), connect.WithInterceptors(traces))
	for _, token := range []string{"", guardtest.GoodToken} {
		_, _ = callConnect(t, handler, token)
	}
	if n := len(spans.Ended()); n != 2 {
		t.Fatalf("%d spans for two calls", n)
	}
	refused, admitted := spans.Ended()[0], spans.Ended()[1]
	if value(refused, "ostiary.reason") != "TOKEN_MISSING" || value(refused, "rpc.response.status_code") != "UNAUTHENTICATED" {
		t.Errorf("the refusal's span has %v", refused.Attributes())
	}
	if refused.Name() != admitted.Name() || refused.SpanKind() != admitted.SpanKind() {
		t.Errorf("%s %v and %s %v", refused.Name(), refused.SpanKind(), admitted.Name(), admitted.SpanKind())
	}
	for _, key := range []attribute.Key{"rpc.system.name", "rpc.method"} {
		if value(refused, key) == "" || value(refused, key) != value(admitted, key) {
			t.Errorf("%s is %q and %q", key, value(refused, key), value(admitted, key))
		}
	}
}

// TestASpanThatIsActiveIsUsed has one around the handler, which no span joins.
func TestASpanThatIsActiveIsUsed(t *testing.T) {
	t.Parallel()
	t.Run("otelhttp", func(t *testing.T) {
		t.Parallel()
		provider, spans, guard := newTraces(t)
		handler := otelhttp.NewHandler(newConnectHandler(connectauth.WithGuard(guard)), "api",
			otelhttp.WithTracerProvider(provider), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()))
		_, _ = callConnect(t, handler, "")
		assertOneRefused(t, spans)
	})
	t.Run("otelgrpc", func(t *testing.T) {
		t.Parallel()
		provider, spans, guard := newTraces(t)
		server := grpcauth.NewServer(guard, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(provider), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()))))
		identityv1.RegisterIdentityServiceServer(server, new(service))
		_, _ = dial(t, server).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
		server.GracefulStop()
		assertOneRefused(t, spans)
	})
}

func assertOneRefused(t *testing.T, spans *tracetest.SpanRecorder) {
	t.Helper()
	if n := len(spans.Ended()); n != 1 {
		t.Fatalf("%d spans for one call", n)
	}
	if span := spans.Ended()[0]; value(span, "ostiary.reason") != "TOKEN_MISSING" || len(span.Events()) == 0 {
		t.Errorf("the span has %v", span.Attributes())
	}
}

// nothingIsValid counts what it is asked about.
type nothingIsValid struct{ asked *int }

func (v nothingIsValid) Validate(proto.Message, ...protovalidate.ValidationOption) error {
	*v.asked++
	return &protovalidate.ValidationError{}
}

// TestTheOrderOfValidation shows what a validate interceptor sees before the guard and
// after it. A stranger's request it sees in neither place. One that the rule refuses it
// sees, and its caller learns what is wrong with it, unless the guard comes first.
func TestTheOrderOfValidation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first bool // the guard
		token string
		want  string
		asked int
	}{
		"a stranger, the guard first":               {true, "", "TOKEN_MISSING", 0},
		"a stranger, validation first":              {false, "", "TOKEN_MISSING", 0},
		"a refused request, the guard first":        {true, guardtest.GoodToken, "CONDITION_NOT_MET", 0},
		"a refused request, validation comes first": {false, guardtest.GoodToken, "invalid_argument", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := guardtest.NewGuard(nil)
			guard.Policy = refusesRequests{}
			asked := 0
			validation := connect.WithInterceptors(validate.NewInterceptor(validate.WithValidator(nothingIsValid{&asked})))
			options := []connect.HandlerOption{validation, connectauth.WithGuard(guard)}
			if test.first {
				options = []connect.HandlerOption{connectauth.WithGuard(guard), validation}
			}
			_, err := callConnect(t, newConnectHandler(options...), test.token)
			got := connect.CodeOf(err).String()
			if reason, refused := connectauth.ReasonOf(err); refused {
				got = reason.String()
			}
			if got != test.want || asked != test.asked {
				t.Errorf("%v, and validation was asked %d times; want %s, %d", err, asked, test.want, test.asked)
			}
		})
	}
}
