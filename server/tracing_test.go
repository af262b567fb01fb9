package server

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/server/settings"
)

// traceCollector takes what is sent to it by OTLP.
type traceCollector struct {
	url string

	mu    sync.Mutex
	spans []*tracev1.Span
	whole strings.Builder
}

func startTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := new(traceCollector)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.whole.Write(body)
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// attributes returns those of a span, as text.
func attributes(span *tracev1.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range span.GetAttributes() {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent  = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

// traced makes an admitted call, and one that the gate refuses, on both ports, and returns
// their spans by port and outcome.
func (c *traceCollector) traced(t *testing.T, edits ...func(*settings.Config)) (spans map[string]*tracev1.Span, whole string) {
	t.Helper()
	r := start(t, append(edits, func(c *settings.Config) { c.AdminAddr = settings.AdminNone })...)
	eventually(t, "the server is ready", r.ready)
	ada := r.issuer.Session("user_ada")
	for _, token := range []string{ada, ""} {
		header := map[string]string{"Content-Type": "application/json", "Traceparent": traceparent}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", traceparent)
		if token != "" {
			header["Authorization"] = "Bearer " + token
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		r.send(t, http.MethodPost, identityv1connect.IdentityServiceWhoAmIProcedure, header, "{}")
		_, _ = r.nativeClient(t).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
	}
	r.health(t, "")
	r.readyz(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	spans = make(map[string]*tracev1.Span)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		a := attributes(span)
		spans[a["ostiary.protocol"]+" "+a["ostiary.outcome"]] = span
	}
	if len(c.spans) != 4 || len(spans) != 4 { // and none of a probe
		t.Fatalf("%d spans: %v; want one for each of four calls", len(c.spans), c.spans)
	}
	return spans, c.whole.String()
}

func TestEachCallIsASpanOfTheCallersTrace(t *testing.T) {
	c := startTraceCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.url)
	spans, whole := c.traced(t)
	for protocol, system := range map[string]string{"connect": "connectrpc", "grpc": "grpc"} {
		for outcome, want := range map[string]map[string]string{
			"admitted": {"rpc.response.status_code": "OK"},
			"refused":  {"rpc.response.status_code": "UNAUTHENTICATED", "error.type": "UNAUTHENTICATED", "ostiary.reason": "TOKEN_MISSING"},
		} {
			span := spans[protocol+" "+outcome]
			if span == nil {
				t.Errorf("%s %s has no span", protocol, outcome)
				continue
			}
			const name = "ostiary.identity.v1.IdentityService/WhoAmI"
			want["rpc.system.name"], want["rpc.method"] = system, name
			got := attributes(span)
			for key, value := range want {
				if got[key] != value {
					t.Errorf("%s %s: %s is %q; want %q", protocol, outcome, key, got[key], value)
				}
			}
			if span.GetName() != name || span.GetKind() != tracev1.Span_SPAN_KIND_SERVER || hex.EncodeToString(span.GetTraceId()) != callersTrace || hex.EncodeToString(span.GetParentSpanId()) != "b7ad6b7169203331" {
				t.Errorf("%s %s: %v; want one of the server within the caller's", protocol, outcome, span)
			}
			if events := span.GetEvents(); outcome == "refused" && (len(events) != 1 || events[0].GetName() != "ostiary.refused") {
				t.Errorf("%s: events %v; want the refusal", protocol, events)
			}
		}
	}
	for _, secret := range []string{"user_ada", "eyJ"} {
		if strings.Contains(whole, secret) {
			t.Errorf("the traces have %q", secret)
		}
	}
}

func TestCallersAreNamedInTracesWhereThatIsWanted(t *testing.T) {
	c := startTraceCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.url)
	spans, _ := c.traced(t, func(c *settings.Config) { c.TraceIdentities = true })
	for _, call := range []string{"connect admitted", "grpc admitted"} {
		if got := attributes(spans[call]); got["user.id"] != "user_ada" || got["session.id"] == "" || got["ostiary.issuer"] == "" {
			t.Errorf("%s: %v; want user_ada, a session and an issuer", call, got)
		}
	}
}
