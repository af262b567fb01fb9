package metrics

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/server/internal/otelenv"
)

// calls measure how long calls take, as OpenTelemetry's conventions for RPC name it.
type calls struct {
	duration metric.Float64Histogram

	mu   sync.RWMutex
	seen map[call][]metric.RecordOption
}

// A call is what tells calls apart.
type call struct{ procedure, protocol, outcome string }

func newCalls(meter metric.Meter) (*calls, error) {
	duration, err := meter.Float64Histogram("rpc.server.call.duration",
		metric.WithUnit("s"), metric.WithDescription("How long calls took, streams among them, from their headers to their end."),
		metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	return &calls{duration: duration, seen: make(map[call][]metric.RecordOption)}, err
}

// Call measures a call. The procedure is one that was registered, and the outcome is the name
// of its code.
func (m *Metrics) Call(ctx context.Context, procedure, protocol, outcome string, took time.Duration) {
	if m != nil {
		m.calls.duration.Record(ctx, took.Seconds(), m.calls.attributes(call{procedure, protocol, outcome})...)
	}
}

func (c *calls) attributes(of call) []metric.RecordOption {
	c.mu.RLock()
	known := c.seen[of]
	c.mu.RUnlock()
	if known != nil {
		return known
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	made := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("rpc.system.name", cmp.Or(otelenv.System(of.protocol), of.protocol)),
		attribute.String("rpc.method", strings.TrimPrefix(of.procedure, "/")),
		attribute.String("rpc.response.status_code", strings.ToUpper(of.outcome)),
	))}
	c.seen[of] = made
	return made
}

// newNativeCalls counts the streams of the native listener and their messages, under the names
// that dashboards for grpc-go know. Of unary calls it would say what is measured anyway, and
// cost them as much again.
func newNativeCalls(registry *prometheus.Registry) *grpcprometheus.ServerMetrics {
	native := grpcprometheus.NewServerMetrics()
	registry.MustRegister(native)
	return native
}

// GRPC returns the options of a server whose streams are counted. They come before those of
// other interceptors.
func (m *Metrics) GRPC() []grpc.ServerOption {
	if m == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.ChainStreamInterceptor(m.native.StreamServerInterceptor())}
}
