// Package tracing makes a span of each call with OpenTelemetry, and sends it to where the
// environment says.
//
//	t, err := tracing.New(ctx, tracing.Config{Version: "v1.2.3", Log: log})
//	ctx = t.Begin(ctx, request.Header.Values)
//	… // the guard's observer, otelauth, adds its decision
//	t.End(ctx, tracing.Call{Procedure: "/acme.note.v1.NoteService/Get", Protocol: "connect", Outcome: "ok"})
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/otelenv"
)

const (
	// scope is the name of what makes the spans.
	scope = "github.com/ostiary/ostiary/server"
	// closeTimeout bounds the sending of the last spans.
	closeTimeout = 5 * time.Second
)

// Config says what is in spans.
type Config struct {
	// Version is that of the program.
	Version string
	// Identities puts who called into the spans. Default: nobody learns it from them.
	Identities bool
	// Log receives what goes wrong when the last spans are sent.
	Log *slog.Logger
}

// Tracing makes spans. A nil *Tracing makes none. The methods may be called from any
// goroutine.
type Tracing struct {
	config   Config
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// New returns what makes spans. The context bounds New alone. The variables of OpenTelemetry
// say where they are sent, and which, by OTEL_TRACES_SAMPLER.
func New(ctx context.Context, config Config) (*Tracing, error) {
	var client otlptrace.Client
	switch protocol := otelenv.Protocol("TRACES"); protocol {
	case "", "http/protobuf":
		client = otlptracehttp.NewClient()
	case "grpc":
		client = otlptracegrpc.NewClient()
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not supported; use http/protobuf or grpc", protocol)
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("traces cannot be sent: %w", err)
	}
	about, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "ostiary"), attribute.String("service.version", config.Version)),
		resource.Environment(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
	)
	if err != nil {
		return nil, err
	}
	t := &Tracing{config: config, provider: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))}
	t.tracer = t.provider.Tracer(scope)
	return t, nil
}

// header reads the headers of a call.
type header func(name string) []string

// Get implements propagation.TextMapCarrier.
func (h header) Get(name string) string {
	if values := h(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set does nothing: nothing is sent on.
func (header) Set(string, string) {}

// Keys returns none.
func (header) Keys() []string { return nil }

// Begin begins the span of a call, which goes on from the caller's traceparent.
func (t *Tracing) Begin(ctx context.Context, headers func(name string) []string) context.Context {
	if t == nil {
		return ctx
	}
	ctx = propagation.TraceContext{}.Extract(ctx, header(headers))
	ctx, _ = t.tracer.Start(ctx, "call", trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // End ends it
	return ctx
}

// IDs returns the trace and the span of a call, in hexadecimal digits; empty where it has none.
func IDs(ctx context.Context) (traceID, spanID string) {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return span.TraceID().String(), span.SpanID().String()
	}
	return "", ""
}

// A Call is what a span says of a call that has ended.
type Call struct {
	Procedure, Protocol, Outcome string
	Identity                     *auth.Identity // nil for nobody
}

// End ends the span of a call, if it has one.
func (t *Tracing) End(ctx context.Context, call Call) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	defer span.End()
	if !span.IsRecording() {
		return
	}
	name, code := strings.TrimPrefix(call.Procedure, "/"), strings.ToUpper(call.Outcome)
	span.SetName(name)
	span.SetAttributes(attribute.String("ostiary.protocol", call.Protocol))
	if system := otelenv.System(call.Protocol); system != "" {
		span.SetAttributes(attribute.String("rpc.system.name", system), attribute.String("rpc.method", name), attribute.String("rpc.response.status_code", code))
	}
	if code != "OK" {
		span.SetAttributes(attribute.String("error.type", code))
	}
	switch call.Outcome {
	case "unknown", "internal", "data_loss", "unavailable", "unimplemented", "deadline_exceeded": // by the conventions for servers
		span.SetStatus(codes.Error, "")
	}
	if id := call.Identity; id != nil && t.config.Identities {
		span.SetAttributes(attribute.String("user.id", id.Subject), attribute.String("session.id", id.SessionID), attribute.String("ostiary.issuer", id.Issuer))
	}
}

// Close sends the last spans.
func (t *Tracing) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.config.Log.Warn("the last traces could not be sent", "error", err)
	}
	return nil
}
