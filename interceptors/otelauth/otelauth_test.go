package otelauth_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/otelauth"
)

// newObserver returns an Observer, and what it has recorded.
func newObserver(t testing.TB) (auth.Observer, *metric.ManualReader, *tracetest.SpanRecorder) {
	t.Helper()
	reader, spans := metric.NewManualReader(), tracetest.NewSpanRecorder()
	observer, err := otelauth.New(otelauth.Config{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(reader)),
		TracerProvider: trace.NewTracerProvider(trace.WithSpanProcessor(spans)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return observer, reader, spans
}

func collect(t testing.TB, reader *metric.ManualReader) map[string]metricdata.Aggregation {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil { //nolint:usetesting // also where the test is over
		t.Fatal(err)
	}
	found := make(map[string]metricdata.Aggregation)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name+" "+m.Unit] = m.Data
		}
	}
	return found
}

// written returns attributes as text, in the order of their keys.
func written(attributes []attribute.KeyValue) string {
	var all []string
	for _, a := range attributes {
		all = append(all, string(a.Key)+"="+a.Value.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

var (
	ada      = &auth.Identity{Issuer: "https://issuer.test", Subject: "user_ada", SessionID: "sess_secret"}
	admitted = auth.Decision{Procedure: "/acme.note.v1.NoteService/Get", Protocol: "connect", Peer: "192.0.2.1:1", Identity: ada, Duration: time.Millisecond}
	refused  = auth.Decision{Procedure: "/acme.note.v1.NoteService/Get", Protocol: "connect", Peer: "192.0.2.1:1", Identity: ada, Duration: time.Millisecond, Refusal: auth.Errorf(auth.TokenExpired, "cause: only for logs")}
)

const (
	wantAdmitted = "ostiary.outcome=admitted ostiary.protocol=connect rpc.method=acme.note.v1.NoteService/Get"
	wantRefused  = "ostiary.outcome=refused ostiary.protocol=connect ostiary.reason=TOKEN_EXPIRED rpc.method=acme.note.v1.NoteService/Get"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	observer, reader, _ := newObserver(t)
	ended := refused
	ended.Duration, ended.Ended = 0, true
	for _, d := range []auth.Decision{admitted, refused, admitted, ended} {
		observer.Observe(t.Context(), d)
	}
	found := collect(t, reader)
	counted := make(map[string]int64)
	sum, ok := found["ostiary.decisions {decision}"].(metricdata.Sum[int64])
	if !ok || !sum.IsMonotonic {
		t.Fatalf("the counter is %v", found)
	}
	for _, point := range sum.DataPoints {
		counted[written(point.Attributes.ToSlice())] = point.Value
	}
	if len(counted) != 2 || counted[wantAdmitted] != 2 || counted[wantRefused] != 2 {
		t.Errorf("counted %v", counted)
	}
	leases, ok := found["ostiary.leases.ended {lease}"].(metricdata.Sum[int64])
	if !ok || len(leases.DataPoints) != 1 || leases.DataPoints[0].Value != 1 {
		t.Fatalf("leases that ended: %v; want one", leases)
	}
	if got, want := written(leases.DataPoints[0].Attributes.ToSlice()), strings.TrimPrefix(wantRefused, "ostiary.outcome=refused "); got != want {
		t.Errorf("a lease ended with %s; want %s", got, want)
	}
	histogram, ok := found["ostiary.decision.duration s"].(metricdata.Histogram[float64])
	if !ok {
		t.Fatalf("the histogram is %v", found)
	}
	measured := make(map[string]uint64)
	for _, point := range histogram.DataPoints {
		measured[written(point.Attributes.ToSlice())] = point.Count
		if mean := point.Sum / float64(point.Count); mean < 0.00099 || mean > 0.00101 {
			t.Errorf("a millisecond was measured as %v s", mean)
		}
	}
	const method = " rpc.method=acme.note.v1.NoteService/Get"
	if len(measured) != 2 || measured["ostiary.outcome=admitted"+method] != 2 || measured["ostiary.outcome=refused"+method] != 1 {
		t.Errorf("measured %v", measured)
	}
}

func TestNamesThatCallersMakeUpAreBounded(t *testing.T) {
	t.Parallel()
	observer, reader, _ := newObserver(t)
	const calls = 1500
	for i := range calls {
		d := refused
		d.Procedure = fmt.Sprintf("/made.up/Method%d", i)
		observer.Observe(t.Context(), d)
	}
	sum, _ := collect(t, reader)["ostiary.decisions {decision}"].(metricdata.Sum[int64])
	if n := len(sum.DataPoints); n != 1001 {
		t.Errorf("%d series for %d names", n, calls)
	}
	for _, point := range sum.DataPoints {
		if name, _ := point.Attributes.Value("rpc.method"); name.AsString() == "_OTHER" && point.Value != calls-1000 {
			t.Errorf("%d calls of other methods, want %d", point.Value, calls-1000)
		}
	}
}

// TestTheActiveSpan has what was decided, and no span is made beside it.
func TestTheActiveSpan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		decision auth.Decision
		want     string
		events   string
	}{
		"an admitted call": {admitted, "ostiary.outcome=admitted", ""},
		"a refusal":        {refused, "ostiary.outcome=refused ostiary.reason=TOKEN_EXPIRED", "ostiary.refused ostiary.reason=TOKEN_EXPIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			observer, _, spans := newObserver(t)
			ctx, span := trace.NewTracerProvider(trace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "call")
			observer.Observe(ctx, test.decision)
			span.End()
			if len(spans.Ended()) != 1 {
				t.Fatalf("%d spans", len(spans.Ended()))
			}
			ended := spans.Ended()[0]
			if got := written(ended.Attributes()); got != test.want {
				t.Errorf("the span has %s, want %s", got, test.want)
			}
			var events string
			for _, e := range ended.Events() {
				events += e.Name + " " + written(e.Attributes)
			}
			if events != test.events {
				t.Errorf("the events are %q, want %q", events, test.events)
			}
		})
	}
}

func TestARefusalWithoutASpanGetsOne(t *testing.T) {
	t.Parallel()
	observer, _, spans := newObserver(t)
	observer.Observe(t.Context(), admitted)
	observer.Observe(t.Context(), refused)
	broken := refused
	broken.Refusal = auth.Errorf(auth.AuthFailure, "cause: only for logs")
	observer.Observe(t.Context(), broken)
	if len(spans.Ended()) != 2 {
		t.Fatalf("%d spans, want those of the refusals", len(spans.Ended()))
	}
	span := spans.Ended()[0]
	const want = "error.type=UNAUTHENTICATED ostiary.outcome=refused ostiary.reason=TOKEN_EXPIRED rpc.method=acme.note.v1.NoteService/Get" +
		" rpc.response.status_code=UNAUTHENTICATED rpc.system.name=connectrpc"
	if got := written(span.Attributes()); got != want {
		t.Errorf("the span has %s, want %s", got, want)
	}
	if span.Name() != "acme.note.v1.NoteService/Get" || span.SpanKind() != oteltrace.SpanKindServer || span.Status().Code != codes.Unset {
		t.Errorf("the span is %s, %v, %v", span.Name(), span.SpanKind(), span.Status())
	}
	if took := span.EndTime().Sub(span.StartTime()); took != time.Millisecond {
		t.Errorf("the span took %v", took)
	}
	if failed := spans.Ended()[1].Status(); failed.Code != codes.Error || strings.Contains(failed.Description, "cause") {
		t.Errorf("our own fault has status %v", failed)
	}
}

// TestNothingSaysWhoCalls looks for what the decisions have of the caller.
func TestNothingSaysWhoCalls(t *testing.T) {
	t.Parallel()
	observer, reader, spans := newObserver(t)
	for _, d := range []auth.Decision{admitted, refused} {
		observer.Observe(t.Context(), d)
	}
	var all strings.Builder
	fmt.Fprintf(&all, "%+v", collect(t, reader))
	for _, span := range spans.Ended() {
		fmt.Fprintf(&all, "%v %v %v %v", span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	for _, secret := range []string{"ada", "sess_", "192.0.2.1", "only for logs"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("telemetry has %q", secret)
		}
	}
}
