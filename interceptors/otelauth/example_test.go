package otelauth_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/otelauth"
)

// An OpenTelemetry SDK is set up once, mostly with an exporter. Here its metrics are
// read at once.
func ExampleNew() {
	reader := metric.NewManualReader()
	observer, err := otelauth.New(otelauth.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := &auth.Guard{Observer: observer} // one without rules refuses everything

	ctx := context.Background()
	_, err = guard.Admit(ctx, auth.Call{Procedure: "/acme.invoice.v1.InvoiceService/GetInvoice", Protocol: "connect"})
	fmt.Println(err)

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if decisions, ok := m.Data.(metricdata.Sum[int64]); ok {
			point := decisions.DataPoints[0]
			fmt.Println(m.Name, point.Value)
			for _, a := range point.Attributes.ToSlice() {
				fmt.Println(a.Key, a.Value.AsString())
			}
		}
	}
	// Output:
	// AUTH_FAILURE: the server could not check this call; the fault is on its side
	// ostiary.decisions 1
	// ostiary.outcome refused
	// ostiary.protocol connect
	// ostiary.reason AUTH_FAILURE
	// rpc.method acme.invoice.v1.InvoiceService/GetInvoice
}
