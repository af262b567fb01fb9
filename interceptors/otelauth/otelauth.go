// Package otelauth shows OpenTelemetry what a guard decides:
//
//	observer, err := otelauth.New(otelauth.Config{})
//	guard, err := ostiary.New(ostiary.Config{
//		// ...
//		Observer: observer,
//	})
//
// Metrics, for each decision:
//
//	ostiary.decisions          counter, {decision}
//	ostiary.decision.duration  histogram, s
//	ostiary.leases.ended       counter, {lease}; of streams that ended with their token
//
// They have these attributes, the histogram the first two, since each combination costs it a
// dozen series, and the last counter all but the outcome:
//
//	rpc.method        the procedure, such as acme.invoice.v1.InvoiceService/GetInvoice
//	ostiary.outcome   admitted or refused
//	ostiary.reason    of a refusal, such as TOKEN_EXPIRED
//	ostiary.protocol  connect, grpc, grpcweb or http
//
// Nothing in them comes from a token or from the caller, so their number is bounded. A
// call that is admitted, and refused after all because of a message or because its token
// counts no longer, is two decisions. The histogram leaves out what took no time, such as
// the end of a stream.
//
// In traces, the active span gets ostiary.outcome and ostiary.reason, and a refusal is an
// event of it too, ostiary.refused. Neither says who called.
//
// A guard decides before interceptors run, so those of otelconnect do not see what is
// refused before its request was read. Such a refusal gets a span of its own, of kind
// server, in the manner of theirs. It has no parent, as nobody has read the caller's
// trace context yet. Where otelhttp wraps the handlers, or otelgrpc is grpc-go's stats
// handler, their span is active and is used.
package otelauth

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ostiary/ostiary/interceptors/auth"
)

const scope = "github.com/ostiary/ostiary/interceptors/otelauth"

// maxMethods is how many procedures are counted by name; the others are _OTHER. Only a
// grpc.UnknownServiceHandler lets callers make up names.
const maxMethods = 1000

// Config says where measurements and spans go. The zero value uses the global providers.
type Config struct {
	// MeterProvider is whose meter counts. Default: otel.GetMeterProvider().
	MeterProvider metric.MeterProvider
	// TracerProvider makes the spans of refusals for which none is active. Default:
	// otel.GetTracerProvider().
	TracerProvider trace.TracerProvider
}

// New returns an Observer for a Guard. The error is that of the MeterProvider. The
// Observer is safe for concurrent use.
func New(config Config) (auth.Observer, error) {
	if config.MeterProvider == nil {
		config.MeterProvider = otel.GetMeterProvider()
	}
	if config.TracerProvider == nil {
		config.TracerProvider = otel.GetTracerProvider()
	}
	meter := config.MeterProvider.Meter(scope)
	decisions, err := meter.Int64Counter("ostiary.decisions",
		metric.WithDescription("Decisions of the guard."), metric.WithUnit("{decision}"))
	if err != nil {
		return nil, err
	}
	duration, err := meter.Float64Histogram("ostiary.decision.duration",
		metric.WithDescription("How long the guard took to decide."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5))
	if err != nil {
		return nil, err
	}
	ended, err := meter.Int64Counter("ostiary.leases.ended",
		metric.WithDescription("Streams that have ended because the token of their caller no longer counts."), metric.WithUnit("{lease}"))
	if err != nil {
		return nil, err
	}
	return &observer{
		decisions: decisions,
		duration:  duration,
		ended:     ended,
		tracer:    config.TracerProvider.Tracer(scope),
		methods:   make(map[string]*method),
	}, nil
}

type observer struct {
	decisions metric.Int64Counter
	duration  metric.Float64Histogram
	ended     metric.Int64Counter
	tracer    trace.Tracer

	mu      sync.RWMutex
	methods map[string]*method // by procedure
}

// A method has the measurements of the decisions about one procedure.
type method struct {
	name string

	mu           sync.RWMutex
	measurements map[decided]*measurement
}

// decided is what the decisions about one procedure are counted by.
type decided struct {
	protocol string
	refused  bool
	reason   auth.Reason
}

// A measurement has the attributes of a decision, which are made once.
type measurement struct {
	decision []metric.AddOption
	duration []metric.RecordOption
	ended    []metric.AddOption
}

// Observe implements auth.Observer.
func (o *observer) Observe(ctx context.Context, d auth.Decision) {
	m := o.method(d.Procedure)
	measured := m.measurement(d)
	o.decisions.Add(ctx, 1, measured.decision...)
	if d.Duration > 0 {
		o.duration.Record(ctx, d.Duration.Seconds(), measured.duration...)
	}
	if d.Ended {
		o.ended.Add(ctx, 1, measured.ended...)
	}
	o.trace(ctx, m.name, d)
}

func (o *observer) method(procedure string) *method {
	o.mu.RLock()
	m := o.methods[procedure]
	o.mu.RUnlock()
	if m != nil {
		return m
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	name := strings.TrimPrefix(procedure, "/")
	if len(o.methods) >= maxMethods {
		procedure, name = "_OTHER", "_OTHER"
	}
	if o.methods[procedure] == nil {
		o.methods[procedure] = &method{name: name, measurements: make(map[decided]*measurement)}
	}
	return o.methods[procedure]
}

func (m *method) measurement(d auth.Decision) *measurement {
	key := decided{protocol: d.Protocol}
	if d.Refusal != nil {
		key.refused, key.reason = true, d.Refusal.Reason
	}
	m.mu.RLock()
	known := m.measurements[key]
	m.mu.RUnlock()
	if known != nil {
		return known
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.measurements[key] == nil {
		what := outcome(d.Refusal)
		of := attribute.String("rpc.method", m.name)
		with := func(attributes ...attribute.KeyValue) metric.MeasurementOption {
			return metric.WithAttributeSet(attribute.NewSet(append(attributes, of)...))
		}
		protocol := attribute.String("ostiary.protocol", d.Protocol)
		m.measurements[key] = &measurement{
			decision: []metric.AddOption{with(append(slices.Clone(what), protocol)...)},
			duration: []metric.RecordOption{with(what[0])},
			ended:    []metric.AddOption{with(append(what[1:], protocol)...)},
		}
	}
	return m.measurements[key]
}

func outcome(refusal *auth.Error) []attribute.KeyValue {
	if refusal == nil {
		return []attribute.KeyValue{attribute.String("ostiary.outcome", "admitted")}
	}
	return []attribute.KeyValue{
		attribute.String("ostiary.outcome", "refused"),
		attribute.String("ostiary.reason", refusal.Reason.String()),
	}
}

// trace notes a decision in the active span, or makes one for a refusal.
func (o *observer) trace(ctx context.Context, name string, d auth.Decision) {
	span := trace.SpanFromContext(ctx)
	switch {
	case span.SpanContext().IsValid():
		if !span.IsRecording() {
			return // it is not sampled, or over
		}
	case d.Refusal == nil:
		return // the call's own span is still to come
	default:
		end := time.Now()
		code := strings.ToUpper(d.Refusal.Code().String())
		_, span = o.tracer.Start(ctx, name,
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithTimestamp(end.Add(-d.Duration)),
			trace.WithAttributes(
				attribute.String("rpc.system.name", system(d.Protocol)),
				attribute.String("rpc.method", name),
				attribute.String("rpc.response.status_code", code),
				attribute.String("error.type", code),
			))
		defer span.End(trace.WithTimestamp(end))
		if c := d.Refusal.Code(); c == auth.CodeInternal || c == auth.CodeUnavailable { // not the caller's fault
			span.SetStatus(codes.Error, d.Refusal.Sentence())
		}
	}
	attributes := outcome(d.Refusal)
	span.SetAttributes(attributes...)
	if d.Refusal != nil {
		span.AddEvent("ostiary.refused", trace.WithAttributes(attributes[1:]...))
	}
}

// system returns the convention's name of a protocol.
func system(protocol string) string {
	switch protocol {
	case "grpc", "grpcweb":
		return "grpc"
	case "connect":
		return "connectrpc"
	default:
		return protocol
	}
}
