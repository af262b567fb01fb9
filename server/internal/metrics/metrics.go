// Package metrics measures the server with OpenTelemetry: for Prometheus, which comes for
// the measurements, and for a collector to which they are sent where the environment names
// one.
//
//	m, err := metrics.New(ctx, metrics.Config{Version: "v1.2.3", Log: log})
//	m.Gauge("ostiary.leases.open", "{lease}", "Streams that are open.", func(record metrics.Record) {
//		record(float64(guard.OpenStreams()))
//	})
//	http.Handle("/metrics", m.Handler())
package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/otelauth"
)

// scope is the name of what measures.
const scope = "github.com/ostiary/ostiary/server"

// closeTimeout bounds the sending of the last measurements.
const closeTimeout = 5 * time.Second

// Config says what is measured, and by whom.
type Config struct {
	// Version is that of the program.
	Version string
	// Revision is the commit that it was built from.
	Revision string
	// Log receives what goes wrong when measurements are read or sent.
	Log *slog.Logger
}

// Metrics are the measurements of one server. A nil *Metrics measures nothing. The methods
// may be called from any goroutine.
type Metrics struct {
	provider *sdk.MeterProvider
	meter    metric.Meter
	log      *slog.Logger
	observer auth.Observer
	calls    *calls
	native   *grpcprometheus.ServerMetrics

	measured *prometheus.Registry // by OpenTelemetry
	others   *prometheus.Registry // the process, Go, and calls of the native listener
}

// New begins to measure. The context bounds New alone.
func New(ctx context.Context, config Config) (*Metrics, error) {
	version, revision := Built(config.Version, config.Revision)
	m := &Metrics{log: config.Log, measured: prometheus.NewRegistry(), others: prometheus.NewRegistry()}
	m.native = newNativeCalls(m.others)
	m.others.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	scraped, err := otelprometheus.New(
		otelprometheus.WithRegisterer(m.measured),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return nil, err
	}
	about, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "ostiary"), attribute.String("service.version", version)),
		resource.Environment(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
	)
	if err != nil {
		return nil, err
	}
	options := []sdk.Option{sdk.WithReader(scraped), sdk.WithResource(about)}
	sent, err := m.pushed(ctx)
	if err != nil {
		return nil, err
	}
	if sent != nil {
		options = append(options, sdk.WithReader(sent))
	}
	m.provider = sdk.NewMeterProvider(options...)
	m.meter = m.provider.Meter(scope)
	if m.observer, err = otelauth.New(otelauth.Config{MeterProvider: m.provider}); err == nil {
		m.calls, err = newCalls(m.meter)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close()) //nolint:contextcheck // it has a limit of its own
	}
	m.Gauge("ostiary.build.info", "", "1, with the version of the program and of Go.", func(record Record) {
		record(1, "version", version, "revision", revision, "goversion", runtime.Version())
	})
	return m, nil
}

// Observe implements auth.Observer.
func (m *Metrics) Observe(ctx context.Context, d auth.Decision) {
	if m != nil {
		m.observer.Observe(ctx, d)
	}
}

// Handler answers Prometheus. It is nil where nothing is measured.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return nil
	}
	return promhttp.HandlerFor(prometheus.Gatherers{m.measured, m.others}, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(m.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // what can be read is worth more than nothing
		MaxRequestsInFlight: 4,
	})
}

// Close sends the last measurements to where they are sent.
func (m *Metrics) Close() error {
	if m == nil || m.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := m.provider.Shutdown(ctx); err != nil {
		m.log.Warn("the last metrics could not be sent", "error", err)
	}
	return nil
}
