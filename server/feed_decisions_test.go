package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/settings"
)

// whoService answers callers, as a service of Connect and of gRPC.
type whoService struct {
	identityv1.UnimplementedIdentityServiceServer
}

// maxDecisions is how many decisions a report has at most, by the schema.
const maxDecisions = 200

func (whoService) WhoAmI(context.Context, *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return &identityv1.WhoAmIResponse{}, nil
}

type connectWho struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	whoService
}

func (s connectWho) WhoAmI(ctx context.Context, req *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return s.whoService.WhoAmI(ctx, req)
}

// serveWho serves a service with the guard, by Connect or by grpc-go.
func serveWho(t *testing.T, guard *auth.Guard, native bool) endpoint {
	t.Helper()
	if !native {
		_, handler := identityv1connect.NewIdentityServiceHandler(connectWho{}, connectauth.WithGuard(guard))
		served := httptest.NewUnstartedServer(handler)
		served.Config.Protocols = new(http.Protocols)
		served.Config.Protocols.SetUnencryptedHTTP2(true)
		served.Start()
		t.Cleanup(served.Close)
		return endpoint{url: served.URL}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := grpcauth.NewServer(guard)
	identityv1.RegisterIdentityServiceServer(served, whoService{})
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(listener) }()
	t.Cleanup(func() {
		served.Stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return endpoint{"http://" + listener.Addr().String(), []connect.ClientOption{connect.WithGRPC()}, ""}
}

// sums returns how many decisions the watch has, by service, outcome and reason.
func (w *watched) sums() map[string]int64 {
	sums := map[string]int64{}
	for _, d := range w.all {
		sums[strings.TrimSpace(d.GetService()+" "+decisions.OutcomeName(d.GetOutcome())+" "+d.GetReason())] += d.GetCount()
	}
	return sums
}

func TestAnOperatorSeesWhatServicesDecide(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	hub := start(t, withFeed, func(c *settings.Config) { c.Decisions = path })
	near := startRelay(t, hub, []string{hub.url})
	operator := hub.issuer.Session("user_otto")
	everything := hub.transports()["gRPC"].watchDecisions(t, operator, nil)
	atRelay := near.transports()["Connect"].watchDecisions(t, operator, &decisionv1.WatchDecisionsFilter{Service: new("shipping")})
	refused := decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED
	filtered := hub.transports()["Connect"].watchDecisions(t, operator, &decisionv1.WatchDecisionsFilter{
		Service: new("billing"), Subject: new("user_ben"), Outcome: &refused,
	})

	const calls = 20
	ada, ben := hub.issuer.Session("user_ada", authtest.With("sid", "sess_ada")), hub.issuer.Session("user_ben", authtest.IssuedAt(time.Now().Add(-3*time.Hour)))
	for service, followed := range map[string]*running{"billing": hub, "shipping": near} {
		guard, follower := guardOf(t, followed, service)
		tr := serveWho(t, guard, service == "shipping")
		for range calls {
			if err := tr.whoAmI(t, ada); err != nil {
				t.Fatal(err)
			}
			for token, want := range map[string]auth.Reason{ben: auth.TokenExpired, "forged": auth.TokenMalformed} {
				if reason, _ := reasonOf(tr.whoAmI(t, token)); reason != want {
					t.Fatalf("refused with %v; want %v", reason, want)
				}
			}
		}
		if err := follower.Close(); err != nil { // it reports what is left
			t.Fatal(err)
		}
		if status := follower.Status(); status.UnreportedDecisions != 0 {
			t.Errorf("%s: %d decisions are unreported", service, status.UnreportedDecisions)
		}
	}
	done := func(w *watched, services ...string) bool {
		sums := w.sums()
		for _, service := range services {
			for _, kind := range []string{"admitted", "refused TOKEN_EXPIRED", "refused TOKEN_MALFORMED"} {
				if sums[service+" "+kind] < calls {
					return false
				}
			}
		}
		return true
	}
	for !done(everything, "billing", "shipping") {
		everything.receive(t)
	}
	for !done(atRelay, "shipping") {
		atRelay.receive(t)
	}
	if everything.missed+atRelay.missed != 0 {
		t.Errorf("%d and %d are missed", everything.missed, atRelay.missed)
	}
	for _, service := range []string{"billing", "shipping"} {
		for _, kind := range []string{"admitted", "refused TOKEN_EXPIRED", "refused TOKEN_MALFORMED"} {
			if got := everything.sums()[service+" "+kind]; got != calls {
				t.Errorf("%s %s: %d; want %d", service, kind, got, calls)
			}
		}
	}
	for filtered.sums()["billing refused TOKEN_EXPIRED"] < calls {
		filtered.receive(t)
	}
	for _, d := range filtered.all {
		if d.GetService() != "billing" || d.GetSubject() != "user_ben" || d.GetCount() != 1 || d.GetInstanceId() == "" || d.GetDecisionId() != "" || d.GetPeer() == "" ||
			d.GetProcedure() != identityv1connect.IdentityServiceWhoAmIProcedure || d.GetCause() == "" || d.GetKeyId() == "" || d.GetRequestId() == "" {
			t.Fatalf("sent %v", d)
		}
	}
	for _, d := range atRelay.all {
		if d.GetService() != "shipping" {
			t.Fatalf("the relay sends %v", d)
		}
	}
	if err := hub.stop(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "user_ben") {
		t.Errorf("the file of the server has what services report (%v)", err)
	}
}

// A service can report what it likes, and as much: it is bounded, shown as reported by that
// service, and pushes nothing of the server out.
func TestAHostileServiceReportsDecisions(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	tr := r.transports()["gRPC"]
	client := tr.feed(t, secretOfFeed)
	watch := tr.watchDecisions(t, r.issuer.Session("user_otto"), nil)
	sound := func() *decisionv1.Decision {
		return &decisionv1.Decision{
			DecisionTime: timestamppb.Now(), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED, Reason: "TOKEN_EXPIRED", Procedure: "/a/B", Count: 1,
		}
	}
	report := func(edit func(*decisionv1.Decision)) *feedv1.ReportResponse {
		t.Helper()
		d := sound()
		edit(d)
		res, err := client.Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), Decisions: []*decisionv1.Decision{d}})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for name, edit := range map[string]func(*decisionv1.Decision){
		"no outcome":                func(d *decisionv1.Decision) { d.Outcome = 0 },
		"an unknown outcome":        func(d *decisionv1.Decision) { d.Outcome = 77 },
		"no count":                  func(d *decisionv1.Decision) { d.Count = 0 },
		"a negative count":          func(d *decisionv1.Decision) { d.Count = -5 },
		"a count beyond all counts": func(d *decisionv1.Decision) { d.Count = 1 << 62 },
		"an unknown reason":         func(d *decisionv1.Decision) { d.Reason = "\x1b[2J" },
		"a long protocol":           func(d *decisionv1.Decision) { d.Protocol = strings.Repeat("p", 17) },
		"a long trace":              func(d *decisionv1.Decision) { d.TraceId = strings.Repeat("a", 33) },
		"no time":                   func(d *decisionv1.Decision) { d.DecisionTime = nil },
		"a time in an hour":         func(d *decisionv1.Decision) { d.DecisionTime = timestamppb.New(time.Now().Add(time.Hour)) },
		"a time that is none":       func(d *decisionv1.Decision) { d.DecisionTime = &timestamppb.Timestamp{Seconds: 1 << 60} },
	} {
		if res := report(edit); res.GetRejectedDecisionCount() != 1 {
			t.Errorf("%s: %v; want it left out", name, res)
		}
	}
	if res := report(func(d *decisionv1.Decision) {
		d.Service, d.InstanceId, d.DecisionId, d.Subject = "ostiary", "forged", "FORGED-1", "forger"
		d.Cause, d.Procedure = strings.Repeat("c", 1<<20), strings.Repeat("p", 1<<20)
	}); res.GetRejectedDecisionCount() != 0 {
		t.Errorf("%v; want it accepted", res)
	}
	watch.until(t, ofSubject("forger"))
	if got := watch.all[len(watch.all)-1]; got.GetService() != someFollower().GetService() || got.GetInstanceId() != someFollower().GetInstanceId() || got.GetDecisionId() != "" ||
		len(got.GetCause()) > 3<<10 || len(got.GetProcedure()) > 2<<10 {
		t.Errorf("sent %.500v", got)
	}
	for _, d := range watch.all {
		if d.GetService() != "" && d.GetSubject() != "forger" {
			t.Errorf("sent %v", d)
		}
	}

	many := make([]*decisionv1.Decision, maxDecisions+1)
	for i := range many {
		many[i] = sound()
	}
	_, err := client.Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), Decisions: many})
	wantError(t, "too many", err, errorv1.Reason_REASON_INVALID_REQUEST)
	const reports = 5
	for i := range reports { // a procedure each, of as many services
		for j := range maxDecisions {
			many[j].Procedure = fmt.Sprintf("/flood/%d.%d", i, j)
		}
		if _, err := client.Report(t.Context(), &feedv1.ReportRequest{
			Follower: &feedv1.Follower{Service: fmt.Sprint("forged_", i), InstanceId: "1"}, Decisions: many[:maxDecisions],
		}); err != nil {
			t.Fatal(err)
		}
	}
	if status := r.decisions.Status(); status.Reported != reports*maxDecisions+1 || status.Rejected != 11 {
		t.Errorf("status %+v", status)
	}
	for watch.sums()["forged_4 refused TOKEN_EXPIRED"] < maxDecisions {
		watch.receive(t)
	}
}
