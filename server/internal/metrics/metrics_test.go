package metrics

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/otelenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A collector gets what was measured by the variables of OpenTelemetry alone, at the latest
// when the server ends. The process and Go's runtime are part of it.
func TestMetricsAreSentWhereTheEnvironmentSays(t *testing.T) {
	sent := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20secret-of-the-collector")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")

	log := new(strings.Builder)
	m, err := New(t.Context(), Config{Version: "v1.2.3", Revision: "0123abc", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	m.Observe(t.Context(), auth.Decision{Procedure: "/acme.note.v1.NoteService/Get", Protocol: "connect", Duration: time.Millisecond})
	m.Call(t.Context(), "/acme.note.v1.NoteService/Get", "connect", "ok", time.Millisecond)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-sent
	for _, want := range []string{"/v1/metrics Bearer secret-of-the-collector", "ostiary.decisions", "acme.note.v1.NoteService/Get", "rpc.server.call.duration", "process_cpu_seconds", "go_goroutines", "v1.2.3", "0123abc", "staging"} {
		if !strings.Contains(got, want) {
			t.Errorf("the collector did not get %q", want)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestMetricsAreSentNowhereByDefault(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing is set":     {},
		"none":               {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"only for traces":    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"},
		"turned off":         {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"read by Prometheus": {"OTEL_METRICS_EXPORTER": "prometheus"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range env {
				t.Setenv(variable, value)
			}
			if otelenv.Exports("METRICS") {
				t.Error("they are sent")
			}
		})
	}
}

func TestAnUnknownProtocolIsAFault(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	_, err := New(t.Context(), Config{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), `"http/json" is not supported; use http/protobuf or grpc`) {
		t.Errorf("%v; want that it is not supported", err)
	}
}

func TestWhatDoesNotMeasureDoesNothing(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Observe(t.Context(), auth.Decision{})
	m.Call(t.Context(), "/a.B/C", "grpc", "ok", time.Second)
	m.Gauge("a", "", "", nil)
	m.Counter("a", "", "", nil)
	if m.Handler() != nil || m.GRPC() != nil || m.Close() != nil {
		t.Error("it has something to show")
	}
}
