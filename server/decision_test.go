package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/settings"
)

func (tr endpoint) decisions(t *testing.T, token string) decisionv1connect.DecisionServiceClient {
	t.Helper()
	return decisionv1connect.NewDecisionServiceClient(httpClient(t, true), tr.url, append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))...)
}

// watched is what a watch has sent so far.
type watched struct {
	stream *connect.ServerStreamForClient[decisionv1.WatchDecisionsResponse]
	all    []*decisionv1.Decision
	missed int64
}

// watchDecisions begins to watch: what is decided from now on is sent.
func (tr endpoint) watchDecisions(t *testing.T, token string, filter *decisionv1.WatchDecisionsFilter) *watched {
	t.Helper()
	stream, err := tr.decisions(t, token).WatchDecisions(t.Context(), &decisionv1.WatchDecisionsRequest{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	w := &watched{stream: stream}
	w.receive(t)
	return w
}

func (w *watched) receive(t *testing.T) {
	t.Helper()
	if !w.stream.Receive() {
		t.Fatalf("the watch has ended: %v", w.stream.Err())
	}
	w.all = append(w.all, w.stream.Msg().GetDecisions()...)
	w.missed += w.stream.Msg().GetMissedCount()
}

// until receives decisions up to one that is the last.
func (w *watched) until(t *testing.T, last func(*decisionv1.Decision) bool) {
	t.Helper()
	for seen := 0; ; w.receive(t) {
		for ; seen < len(w.all); seen++ {
			if last(w.all[seen]) {
				return
			}
		}
	}
}

func (tr endpoint) whoAmI(t *testing.T, token string) error {
	t.Helper()
	return tr.call(t, identityv1.IdentityService_WhoAmI_FullMethodName, token)
}

func ofSubject(subject string) func(*decisionv1.Decision) bool {
	return func(d *decisionv1.Decision) bool { return d.GetSubject() == subject }
}

func TestOperatorsAloneWatchDecisions(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, err := tr.decisions(t, r.issuer.Session("user_ada")).WatchDecisions(t.Context(), &decisionv1.WatchDecisionsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stream.Close() }()
			if stream.Receive() {
				t.Fatal("a caller who is no operator watches")
			}
			if reason, _ := reasonOf(stream.Err()); reason != auth.PermissionRequired {
				t.Errorf("refused with %v", stream.Err())
			}
		})
	}
}

func TestAnOperatorSeesWhatIsDecided(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	operator := r.issuer.Session("user_otto")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ada, ben := "user_ada_"+name, "user_ben_"+name
			everything := tr.watchDecisions(t, operator, nil)
			ofBen := tr.watchDecisions(t, operator, &decisionv1.WatchDecisionsFilter{Subject: &ben, Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED.Enum()})
			reason := "PERMISSION_REQUIRED"
			ofReason := tr.watchDecisions(t, operator, &decisionv1.WatchDecisionsFilter{Reason: &reason, Subject: &ben})

			if err := tr.whoAmI(t, r.issuer.Session(ada, authtest.With("sid", "sess_of_"+ada))); err != nil {
				t.Fatal(err)
			}
			// The guard admits the call, and the handler refuses it.
			if _, err := tr.revocations(t, r.issuer.Session(ben)).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{}); err == nil {
				t.Fatal("it was not refused")
			}
			everything.until(t, ofSubject(ada))
			everything.until(t, func(d *decisionv1.Decision) bool { return ofSubject(ben)(d) && d.GetReason() != "" })
			for _, w := range []*watched{ofBen, ofReason} {
				w.until(t, ofSubject(ben))
				if len(w.all) != 1 {
					t.Fatalf("sent %v; want one", w.all)
				}
				got := w.all[0]
				if got.GetReason() != "PERMISSION_REQUIRED" || got.GetOutcome() != decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED ||
					!strings.Contains(got.GetCause(), "no operator") || got.GetProcedure() != revocationv1.RevocationService_ListRevocations_FullMethodName {
					t.Errorf("sent %v", got)
				}
			}
			for _, d := range everything.all {
				if d.GetSubject() != ada {
					continue
				}
				if d.GetOutcome() != decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED || d.GetSessionId() != "sess_of_"+ada || d.GetIssuer() != r.issuer.URL() ||
					d.GetDecisionId() == "" || d.GetPeer() == "" || d.GetRequestId() == "" || d.GetCount() != 1 || d.GetDuration().AsDuration() <= 0 ||
					time.Since(d.GetDecisionTime().AsTime()) > time.Hour {
					t.Errorf("sent %v", d)
				}
			}
		})
	}
}

func TestADecisionNamesTheTokenAndTheSourceOfTheRule(t *testing.T) {
	t.Parallel()
	const listed = revocationv1.RevocationService_ListRevocations_FullMethodName
	r := start(t, withOperator, func(c *settings.Config) { c.Rules = []policy.Option{needsPermission(listed)} })
	operator := r.issuer.Session("user_otto")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everything := tr.watchDecisions(t, operator, nil)
			ada, ben := "user_ada_"+name, "user_ben_"+name
			admitted, refused, expired := r.issuer.Session(ada), r.issuer.Session(ben), r.issuer.Session("user_cleo_"+name, authtest.IssuedAt(time.Now().Add(-time.Hour)))
			for range 2 { // from the cache, too
				if err := tr.whoAmI(t, admitted); err != nil {
					t.Fatal(err)
				}
			}
			_ = tr.call(t, listed, refused)
			_ = tr.whoAmI(t, expired)
			_ = tr.whoAmI(t, "no.token.atall")
			want := map[string]string{ // by subject
				ada: tokenHash(admitted) + " ostiary/identity/v1/identity.proto", ben: tokenHash(refused) + " ostiary.yaml",
				"user_cleo_" + name: tokenHash(expired) + " ostiary/identity/v1/identity.proto", "": " ostiary/identity/v1/identity.proto",
			}
			everything.until(t, func(d *decisionv1.Decision) bool { return d.GetReason() == "TOKEN_MALFORMED" })
			for _, d := range everything.all {
				want, ours := want[d.GetSubject()] // others are of the other protocols
				if got := d.GetTokenHash() + " " + d.GetRuleSource(); ours && got != want {
					t.Errorf("of %q %q is sent; want %q", d.GetSubject(), got, want)
				}
			}
		})
	}
}

// tokenHash is what docs/operations.md says how to find.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])[:16]
}

func TestAFilterThatIsEmptyIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	empty, unknown := "", decisionv1.DecisionOutcome(77)
	for name, filter := range map[string]*decisionv1.WatchDecisionsFilter{
		"filter.subject": {Subject: &empty}, "filter.issuer": {Issuer: &empty}, "filter.procedure": {Procedure: &empty}, "filter.reason": {Reason: &empty},
		"filter.outcome": {Outcome: &unknown}, "filter.service": {Service: &empty}, "filter.request_id": {RequestId: &empty}, "filter.trace_id": {TraceId: &empty},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, err := r.transports()["gRPC"].decisions(t, r.issuer.Session("user_otto")).WatchDecisions(t.Context(), &decisionv1.WatchDecisionsRequest{Filter: filter})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stream.Close() }()
			if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeInvalidArgument || !strings.Contains(fmt.Sprint(stream.Err()), name) {
				t.Errorf("it ends with %v", stream.Err())
			}
		})
	}
}

func TestAWatcherThatDoesNotReadSlowsNobody(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	operator := r.issuer.Session("user_otto")
	tr := r.transports()["gRPC"]
	slow, quick := tr.watchDecisions(t, operator, nil), tr.watchDecisions(t, operator, nil)
	long := strings.Repeat("a", 1000) // more than fits into the windows of HTTP/2 soon
	const calls = 30_000
	done := make(chan int64)
	go func() {
		var seen int64
		for quick.stream.Receive() {
			for _, d := range quick.stream.Msg().GetDecisions() {
				if seen += d.GetCount(); d.GetSubject() == "last" {
					done <- seen + quick.stream.Msg().GetMissedCount()
					return
				}
			}
			seen += quick.stream.Msg().GetMissedCount()
		}
		done <- 0
	}()
	begun := time.Now()
	decide := func(subject string) {
		r.observe(t.Context(), auth.Decision{
			Procedure: identityv1.IdentityService_WhoAmI_FullMethodName, Protocol: "grpc",
			Identity: &auth.Identity{Issuer: r.issuer.URL(), Subject: subject, Kind: auth.KindMachine},
		})
	}
	for i := range calls {
		if decide(long); i%1000 == 0 {
			<-time.After(time.Millisecond) // for who reads
		}
	}
	decide("last")
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the decisions took %v", took)
	}
	if seen := <-done; seen < calls+1 {
		t.Errorf("the other watcher has seen, or was told of, %d of %d", seen, calls+1)
	}
	slow.until(t, ofSubject("last"))
	if slow.missed == 0 || int64(len(slow.all))+slow.missed < calls+1 {
		t.Errorf("the slow watcher has got %d, and is told that it has missed %d", len(slow.all), slow.missed)
	}
}

// records reads the file of decisions.
func records(t *testing.T, path string) (text string, all []decisions.Record) {
	t.Helper()
	read, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(bytes.NewReader(read)); scanner.Scan(); {
		var record decisions.Record
		if err := json.Unmarshal(scanner.Bytes(), &record); err != nil {
			t.Fatalf("%v in %s", err, scanner.Bytes())
		}
		all = append(all, record)
	}
	return string(read), all
}

func TestEveryDecisionIsInTheFileAndNoToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	r := start(t, withOperator, func(c *settings.Config) { c.Decisions = path })
	const each = 40
	admitted := r.issuer.Session("user_ada")
	expired := r.issuer.Session("user_ben", authtest.IssuedAt(time.Now().Add(-2*time.Hour)))
	forged := admitted[:strings.LastIndexByte(admitted, '.')+1] + strings.Repeat("A", len(admitted)-strings.LastIndexByte(admitted, '.')-1)
	tokens := []string{admitted, expired, forged, "not-a-token-at-all"}
	for _, tr := range r.transports() {
		for range each / 4 {
			for _, token := range tokens {
				_ = tr.whoAmI(t, token)
			}
		}
	}
	for range each {
		r.send(t, http.MethodGet, "/readyz", nil, "")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	text, all := records(t, path)
	sum, lines := map[string]int64{}, map[string]int{}
	for _, record := range all {
		key := record.Outcome + " " + record.Reason
		sum[key] += record.Count
		lines[key]++
	}
	for key, sampled := range map[string]bool{"admitted ": false, "refused TOKEN_EXPIRED": false, "refused SIGNATURE_INVALID": true, "refused TOKEN_MALFORMED": true} {
		// Strangers' are sampled by protocol, of which there are three.
		if sum[key] != each || lines[key] > each || sampled && lines[key] > 3*11 || !sampled && lines[key] != each {
			t.Errorf("%s: %d in %d lines; want %d", key, sum[key], lines[key], each)
		}
		delete(sum, key)
	}
	if len(sum) > 0 {
		t.Errorf("also %v", sum)
	}
	for _, token := range tokens[:3] {
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(text, part) {
				t.Errorf("the file has a part of a token: %s", part)
			}
		}
	}
	if strings.Contains(text, tokens[3]) || strings.Contains(r.log.String(), tokens[3]) {
		t.Error("the file, or the log, has what was sent instead of a token")
	}
}
