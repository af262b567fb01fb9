package metrics

import (
	"cmp"
	"context"
	"runtime/debug"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// A Record takes a value, with the names and the values of its attributes in turn.
type Record func(value float64, attributes ...string)

// Gauge measures what goes up and down. read is called whenever the measurements are read,
// from any goroutine, and should be quick.
func (m *Metrics) Gauge(name, unit, description string, read func(Record)) {
	if m == nil {
		return
	}
	_, err := m.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description), metric.WithFloat64Callback(callback(read)))
	m.mustMake(name, err)
}

// Counter measures what goes up only, as Gauge does.
func (m *Metrics) Counter(name, unit, description string, read func(Record)) {
	if m == nil {
		return
	}
	_, err := m.meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description), metric.WithFloat64Callback(callback(read)))
	m.mustMake(name, err)
}

// mustMake logs that an instrument has a name that cannot be one, which is our own fault.
func (m *Metrics) mustMake(name string, err error) {
	if err != nil {
		m.log.Error("a metric is missing", "name", name, "error", err)
	}
}

func callback(read func(Record)) metric.Float64Callback {
	return func(_ context.Context, observer metric.Float64Observer) error {
		read(func(value float64, attributes ...string) {
			all := make([]attribute.KeyValue, 0, len(attributes)/2)
			for i := 0; i+1 < len(attributes); i += 2 {
				all = append(all, attribute.String(attributes[i], attributes[i+1]))
			}
			observer.Observe(value, metric.WithAttributes(all...))
		})
		return nil
	}
}

// Built returns the version that the program was built as, and from which revision: those
// given, or else what the toolchain has recorded.
func Built(version, revision string) (string, string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = cmp.Or(revision, s.Value)
			}
		}
	}
	return cmp.Or(version, "unknown"), cmp.Or(revision, "unknown")
}
