package server

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// A series is one line of what Prometheus reads.
var series = regexp.MustCompile(`(?m)^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$`)

// label is one of a series, or of the conditions in a query.
var label = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"`)

// metrics returns what Prometheus reads.
func (r *running) metrics(t *testing.T) string {
	t.Helper()
	status, body := r.admin(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	return body
}

// exported returns the labels of each metric.
func exported(metrics string) map[string]map[string]bool {
	all := make(map[string]map[string]bool)
	for _, found := range series.FindAllStringSubmatch(metrics, -1) {
		if all[found[1]] == nil {
			all[found[1]] = make(map[string]bool)
		}
		for _, l := range label.FindAllStringSubmatch(found[2], -1) {
			all[found[1]][l[1]] = true
		}
	}
	return all
}

// queries returns those of the dashboard and of the alerts, by what they are for.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	read := func(file string, decode func([]byte, any) error, into any) {
		content, err := os.ReadFile(file)
		if err == nil {
			err = decode(content, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	read("../deploy/prometheus/alerts.yaml", yaml.Unmarshal, &alerts)
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			all["alert "+rule.Alert] = rule.Expr
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
	}
	read("../deploy/grafana/ostiary.json", json.Unmarshal, &dashboard)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all["panel "+panel.Title+" "+target.RefID] = target.Expr
		}
	}
	for _, variable := range dashboard.Templating.List {
		if query, ok := variable.Query.(map[string]any); ok {
			all["variable "+variable.Name], _ = query["query"].(string)
		}
	}
	if len(all) < 50 {
		t.Fatalf("%d queries are read; there are more", len(all))
	}
	return all
}

var (
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
	metric   = regexp.MustCompile(`\b((?:ostiary|rpc|grpc|go|process)_[a-z0-9_]+|up)(?:\{([^}]*)\})?`)
	ofTarget = []string{"job", "instance"} // which Prometheus adds
)

// A name that the server does not export makes a panel that is empty, or an alert that never
// fires.
func TestDashboardsAndAlertsNameWhatIsExported(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withFeed, withWebhooks, clerk.use, func(c *settings.Config) {
		c.SignalsTransmitterURL = "https://ostiary.example.com"
		c.DroppedLogLines, c.Decisions = func() uint64 { return 0 }, filepath.Join(t.TempDir(), "decisions.jsonl")
	})
	r.exercise(t)
	r.webhook(t, "msg_1", sessionEnded("ada-1"))
	known := exported(r.metrics(t))
	known["up"] = map[string]bool{}
	known["ostiary_tls_certificate_expiry_seconds"], known["ostiary_tls_certificate_renewal_due_seconds"] = map[string]bool{}, map[string]bool{} // where there is TLS: see TestProbesAreAnsweredInPlaintextForOperators
	for what, query := range queries(t) {
		used := grouping.FindAllStringSubmatch(query, -1)
		plain := grouping.ReplaceAllString(query, "")
		labels := make(map[string]bool)
		for _, found := range metric.FindAllStringSubmatch(plain, -1) {
			of, ok := known[found[1]]
			if !ok {
				t.Errorf("%s: there is no metric %s", what, found[1])
			}
			maps.Copy(labels, of)
			for _, l := range label.FindAllStringSubmatch(found[2], -1) {
				if !of[l[1]] && !slices.Contains(ofTarget, l[1]) {
					t.Errorf("%s: %s has no label %s", what, found[1], l[1])
				}
			}
		}
		if len(labels) == 0 && !metric.MatchString(plain) {
			t.Errorf("%s: %q names no metric", what, query)
		}
		for _, group := range used {
			for _, name := range strings.Split(group[1], ",") {
				if name = strings.TrimSpace(name); !labels[name] && !slices.Contains(ofTarget, name) {
					t.Errorf("%s: nothing has the label %s", what, name)
				}
			}
		}
	}
}

// exercise makes calls with every protocol: admitted ones, refused ones, and streams that end
// with their token.
func (r *running) exercise(t *testing.T) {
	t.Helper()
	eventually(t, "the server is ready", r.ready)
	ada := r.issuer.Session("user_ada", authtest.With("sid", "ada-1"))
	for _, call := range r.protocols() {
		_, _ = call(t.Context(), t, ada)
		_, _ = call(t.Context(), t, ada)
		_, _ = call(t.Context(), t, "")
	}
	streams := r.watch(t, ada)
	r.revoke(t, "ada-1")
	for name, stream := range streams {
		if _, err := stream.next(); err == nil {
			t.Errorf("%s goes on after its session was revoked", name)
		}
	}
}

func TestCallsAreMeasured(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.exercise(t)
	const whoAmI, watch = `rpc_method="ostiary.identity.v1.IdentityService/WhoAmI"`, `rpc_method="ostiary.identity.v1.IdentityService/WatchIdentity"`
	for _, want := range []string{
		`ostiary_decisions_total{ostiary_outcome="admitted",ostiary_protocol="grpcweb",` + whoAmI + `} 2`,
		`ostiary_decisions_total{ostiary_outcome="refused",ostiary_protocol="grpcweb",ostiary_reason="TOKEN_MISSING",` + whoAmI + `} 1`,
		`ostiary_decision_duration_seconds_count{ostiary_outcome="refused",` + whoAmI + `} 7`,
		`ostiary_leases_ended_total{ostiary_protocol="grpcweb",ostiary_reason="TOKEN_REVOKED",` + watch + `} 1`,
		`ostiary_leases_open 0`,
		// What a gate refuses, too: by gRPC on one port and the other, and by gRPC-Web.
		`rpc_server_call_duration_seconds_count{` + whoAmI + `,rpc_response_status_code="UNAUTHENTICATED",rpc_system_name="grpc"} 3`,
		`rpc_server_call_duration_seconds_count{` + whoAmI + `,rpc_response_status_code="OK",rpc_system_name="grpc"} 6`,
		`rpc_server_call_duration_seconds_count{` + whoAmI + `,rpc_response_status_code="UNAUTHENTICATED",rpc_system_name="connectrpc"} 4`,
		`grpc_server_msg_sent_total{grpc_method="WatchIdentity",grpc_service="ostiary.identity.v1.IdentityService",grpc_type="server_stream"} 1`,
		`grpc_server_handled_total{grpc_code="Unauthenticated",grpc_method="WatchIdentity",grpc_service="ostiary.identity.v1.IdentityService",grpc_type="server_stream"} 1`,
		`ostiary_revocations_entries 1`,
		`ostiary_jwks_unknown_kid_total{ostiary_issuer="` + r.issuer.URL() + `"} 0`,
		`ostiary_ready 1`,
		`ostiary_store_usable{ostiary_use="write"} 1`,
	} {
		eventually(t, want, func() bool { return slices.Contains(strings.Split(r.metrics(t), "\n"), want) }) // a call is measured after its answer
	}
}

// A relay has no database, and measures its copy of the hub's revocations.
func TestARelayMeasuresItsCopy(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	hub.revoke(t, "a", "b")
	relay := startRelay(t, hub, []string{hub.url})
	eventually(t, "the relay has both revocations", func() bool {
		return strings.Contains(relay.metrics(t), "ostiary_revocations_entries 2\n")
	})
	known := exported(relay.metrics(t))
	for name, want := range map[string]bool{"ostiary_relay_connected": true, "ostiary_revocations_feed_age_seconds": true, "ostiary_store_usable": false, "ostiary_sessions_recent": false} {
		if (known[name] != nil) != want {
			t.Errorf("%s is exported: %v; want %v", name, !want, want)
		}
	}
}

// Readers of metrics learn nothing of persons, and nobody can make up series.
func TestMetricsHaveNothingOfCallers(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.exercise(t)
	stranger := r.issuer.Session("user_ada", authtest.With("iss", "https://stranger.example"), authtest.Header("kid", "made-up"))
	for _, call := range r.protocols() {
		_, _ = call(t.Context(), t, stranger)
	}
	r.post(t, "/made.up.Service/Method", "application/json", stranger, "{}")
	if err := r.grpcConn(t).Invoke(t.Context(), "/made.up.Service/Method", &identityv1.WhoAmIRequest{}, &identityv1.WhoAmIResponse{}); err == nil {
		t.Error("a method that nobody has made answers")
	}
	eventually(t, "the refusals are counted", func() bool { return strings.Contains(r.metrics(t), auth.IssuerUntrusted.String()) })
	all := r.metrics(t)
	for _, secret := range []string{"user_ada", "ada-1", "made.up", "made-up", "stranger", "127.0.0.1:4", "eyJ"} {
		if strings.Contains(strings.ReplaceAll(all, r.issuer.URL(), ""), secret) {
			t.Errorf("the metrics have %q", secret)
		}
	}
}
