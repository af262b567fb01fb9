package metrics

import (
	"context"
	"fmt"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ostiary/ostiary/server/internal/otelenv"
)

// pushed returns what sends metrics to where the environment says: nil where it says nothing.
// The exporters read the other variables themselves: headers, certificates, time-outs.
func (m *Metrics) pushed(ctx context.Context) (sdk.Reader, error) {
	if !otelenv.Exports("METRICS") {
		return nil, nil
	}
	var exporter sdk.Exporter
	var err error
	switch protocol := otelenv.Protocol("METRICS"); protocol {
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
