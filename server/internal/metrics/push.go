package metrics

import (
	"context"
	"fmt"
	"os"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// Pushed reports whether the environment says that metrics are sent: OTEL_METRICS_EXPORTER is
// otlp, or is not given and an endpoint is. OTEL_SDK_DISABLED turns that off.
func Pushed() bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	switch os.Getenv("OTEL_METRICS_EXPORTER") {
	case "otlp":
		return true
	case "":
		return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") != ""
	default: // none; and Prometheus has its own address
		return false
	}
}

// pushed returns what sends metrics to where the environment says: nil where it says nothing.
// The exporters read the other variables themselves: headers, certificates, time-outs.
func (m *Metrics) pushed(ctx context.Context) (sdk.Reader, error) {
	if !Pushed() {
		return nil, nil
	}
	var exporter sdk.Exporter
	var err error
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		exporter, err = otlpmetrichttp.New(ctx)
	case "grpc":
		exporter, err = otlpmetricgrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not supported; use http/protobuf or grpc", protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics cannot be sent: %w", err)
	}
	return sdk.NewPeriodicReader(exporter, sdk.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(m.others)))), nil
}
