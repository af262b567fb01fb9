package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	"github.com/ostiary/ostiary/gen/ostiary/status/v1/statusv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/problem"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

func (tr endpoint) getStatus(t *testing.T, token string) (*statusv1.ServerStatus, error) {
	t.Helper()
	client := statusv1connect.NewStatusServiceClient(httpClient(t, true), tr.url, append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))...)
	res, err := client.GetStatus(t.Context(), &statusv1.GetStatusRequest{})
	return res.GetStatus(), err
}

// status is how the server is, for an operator.
func (r *running) statusFor(t *testing.T) *statusv1.ServerStatus {
	t.Helper()
	status, err := r.transports()["Connect"].getStatus(t, r.issuer.Session("user_otto"))
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// problemIDs are those of the problems, in their order.
func problemIDs(status *statusv1.ServerStatus) []string {
	ids := []string{}
	for _, problem := range status.GetProblems() {
		ids = append(ids, problem.GetProblemId())
	}
	return ids
}

func TestOperatorsAloneReadTheStatus(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tr.getStatus(t, r.issuer.Session("user_ada"))
			if reason, _ := reasonOf(err); reason != auth.PermissionRequired {
				t.Errorf("who is no operator: %v; want %v", err, auth.PermissionRequired)
			}
			_, err = tr.getStatus(t, r.issuer.Session("user_otto", authtest.With("act", map[string]any{"sub": "user_eve"})))
			if reason, _ := reasonOf(err); reason != auth.PermissionRequired {
				t.Errorf("who impersonates an operator: %v; want %v", err, auth.PermissionRequired)
			}
			status, err := tr.getStatus(t, r.issuer.Session("user_otto"))
			if err != nil {
				t.Fatal(err)
			}
			if status.GetReadiness() != statusv1.Readiness_READINESS_READY || status.GetStartTime().AsTime().After(status.GetStatusTime().AsTime()) || status.GetHostName() == "" || status.GetVersion() == "" {
				t.Errorf("an operator reads %v", status)
			}
		})
	}
}

func TestTheStatusNamesABrokenIssuer(t *testing.T) {
	t.Parallel()
	for name, edit := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := authtest.Start(t)
			broken.Fail(authtest.Status(http.StatusInternalServerError))
			r := start(t, withOperator, func(c *settings.Config) {
				edit(t, c)
				c.OperatorSubjects = []string{c.Issuers[0].URL + "#user_otto"}
				c.Issuers = append(c.Issuers, settings.Issuer{URL: broken.URL(), AllowAnyAudience: true, Essential: true})
			})
			eventually(t, "the failure is named", func() bool { return r.statusFor(t).GetIssuers()[1].GetFailureCount() > 0 })
			status := r.statusFor(t)
			first := status.GetProblems()[0]
			if first.GetProblemId() != "issuer.no_keys" || first.GetSeverity() != statusv1.ProblemSeverity_PROBLEM_SEVERITY_FAULT || first.GetSubject() != broken.URL() || !strings.Contains(first.GetCause(), "500") ||
				first.GetSinceTime() == nil || first.GetRemedy() == "" || !strings.Contains(first.GetWhy(), "not ready") {
				t.Errorf("the first problem is %v", first)
			}
			good, bad := status.GetIssuers()[0], status.GetIssuers()[1]
			if status.GetReadiness() != statusv1.Readiness_READINESS_NOT_READY || bad.GetReady() || !bad.GetEssential() || bad.GetLastError() == "" || bad.GetFetchTime() != nil {
				t.Errorf("%v, and the broken issuer is %v", status.GetReadiness(), bad)
			}
			if key := good.GetKeys(); !good.GetReady() || good.GetFetchTime() == nil || len(key) != 1 || key[0].GetKeyId() == "" || !slices.Contains(key[0].GetAlgorithms(), "RS256") {
				t.Errorf("the other issuer is %v", good)
			}
			broken.Restore()
			eventually(t, "the problem is gone", func() bool { return len(r.statusFor(t).GetProblems()) == 0 })
		})
	}
}

func TestTheStatusSaysWhyTheDatabaseFails(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		r := start(t, withOperator)
		wantStoreFailure(t, r, statusv1.StoreKind_STORE_KIND_SQLITE, func(statement string) { r.database(t, strings.ReplaceAll(statement, "ostiary.", "")) })
		if store := r.statusFor(t).GetStore(); store.GetFreeBytes() == 0 || !strings.HasSuffix(store.GetName(), "ostiary.db") {
			t.Errorf("the database is %v", store)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := pgtest.NewDatabase(t)
		r := start(t, withOperator, func(c *settings.Config) { c.DatabaseURL = url })
		wantStoreFailure(t, r, statusv1.StoreKind_STORE_KIND_POSTGRESQL, func(statement string) {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		})
		if store := r.statusFor(t).GetStore(); store.FreeBytes != nil {
			t.Errorf("how much is free for PostgreSQL is not known here: %v", store)
		}
	})
}

func wantStoreFailure(t *testing.T, r *running, kind statusv1.StoreKind, database func(statement string)) {
	t.Helper()
	if status := r.statusFor(t); status.GetStore().GetState() != statusv1.StoreState_STORE_STATE_OK || status.GetStore().GetKind() != kind || len(status.GetProblems()) > 0 {
		t.Errorf("at first %v", status)
	}
	database("ALTER TABLE ostiary.revocations RENAME TO gone")
	eventually(t, "the database fails", func() bool { return slices.Contains(problemIDs(r.statusFor(t)), "store.failing") })
	status := r.statusFor(t)
	if store := status.GetStore(); store.GetState() != statusv1.StoreState_STORE_STATE_FAILING || store.GetFailingSinceTime() == nil || !strings.Contains(store.GetLastError(), "revocations") {
		t.Errorf("while it fails, the database is %v", store)
	}
	if status.GetReadiness() != statusv1.Readiness_READINESS_READY {
		t.Errorf("while it fails: %v; want it ready, since tokens are verified", status.GetReadiness())
	}
	database("ALTER TABLE ostiary.gone RENAME TO revocations")
	eventually(t, "the database works again", func() bool { return len(r.statusFor(t).GetProblems()) == 0 })
}

func TestTheStatusListsWhoFollows(t *testing.T) {
	t.Parallel()
	for name, edit := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := start(t, withFeed, func(c *settings.Config) { edit(t, c) })
			relay := startRelay(t, hub, []string{hub.url})
			stream := hub.transports()["gRPC"].follow(t, secretOfFeed, "")
			feedUntil(t, "the feed", stream, 0)
			hub.revoke(t, "lost")
			eventually(t, "the hub lists both, and the one that confirms nothing first", func() bool {
				feed := hub.statusFor(t).GetFeed()
				followers := feed.GetFollowers()
				return feed.GetFollowerCount() == 2 && len(followers) == 2 && followers[0].GetService() == "billing" && followers[0].GetBehindCount() == 1 && followers[0].GetConnected() &&
					followers[1].GetService() == relayService && followers[1].GetBehindCount() == 0
			})
			status := relay.statusFor(t)
			if status.GetStore() != nil || status.GetRelay().GetConnectedHub() != hub.url || !status.GetRelay().GetReady() || status.GetFeed().GetRevocationCount() != 1 || len(status.GetProblems()) > 0 {
				t.Errorf("the relay is %v", status)
			}
			if err := hub.stop(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the relay says that the hub is gone, and why", func() bool {
				status := relay.statusFor(t)
				return slices.Contains(problemIDs(status), "feed.disconnected") && status.GetProblems()[0].GetCause() != "" && status.GetRelay().GetConnectedHub() == ""
			})
		})
	}
}

// A relay goes on at another server of the same database, which then lists it.
func TestTheStatusSaysWhichHubARelayHas(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	one := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL = database })
	two := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL, c.Issuers = database, one.config.Issuers })
	two.issuer = one.issuer
	relay := startRelay(t, one, []string{one.url, two.url})
	lists := func(r *running) bool {
		return slices.ContainsFunc(r.statusFor(t).GetFeed().GetFollowers(), func(f *statusv1.FollowerStatus) bool {
			return f.GetService() == relayService && f.GetBehindCount() == 0
		})
	}
	gone, left := one, two
	if relay.statusFor(t).GetRelay().GetConnectedHub() == two.url {
		gone, left = two, one
	}
	eventually(t, "the hub that the relay has lists it", func() bool { return lists(gone) })
	if lists(left) {
		t.Error("the other one lists it, too")
	}
	if err := gone.stop(); err != nil {
		t.Fatal(err)
	}
	left.revoke(t, "lost")
	eventually(t, "the relay is connected with the other, and has what was revoked there", func() bool {
		status := relay.statusFor(t)
		return status.GetRelay().GetConnectedHub() == left.url && status.GetRelay().GetReady() && status.GetFeed().GetRevocationCount() == 1 && len(status.GetProblems()) == 0
	})
	eventually(t, "the other lists it, with all confirmed", func() bool { return lists(left) })
}

func TestTheStatusHasTheAddressesAndTheCertificate(t *testing.T) {
	t.Parallel()
	cert, key, _ := selfSigned(t)
	now := newClock()
	r := start(t, withOperator, now.set, func(c *settings.Config) {
		c.TLSCert, c.TLSKey, c.SignalsAddr = cert, key, "127.0.0.1:0"
		c.Issuers[0].Profile, c.ClerkWebhookSecret = "clerk", []string{webhookSecret}
	})
	status := r.status.message(t.Context())
	var settings []string
	for _, listener := range status.GetListeners() {
		settings = append(settings, listener.GetSetting())
		if plain := listener.GetSetting() == "admin_addr"; plain != (listener.GetCertificateExpireTime() == nil) || strings.HasSuffix(listener.GetAddress(), ":0") {
			t.Errorf("one address is %v", listener)
		}
	}
	if want := []string{"http_addr", "grpc_addr", "signals_addr", "admin_addr"}; !slices.Equal(settings, want) {
		t.Errorf("the addresses are those of %q; want %q", settings, want)
	}
	certificateProblems := func() []*statusv1.Problem {
		return slices.DeleteFunc(problem.Find(status), func(p *statusv1.Problem) bool { return !strings.HasPrefix(p.GetProblemId(), "tls.") })
	}
	ends := status.GetListeners()[0].GetCertificateExpireTime().AsTime()
	status.StatusTime = timestamppb.New(ends.Add(-time.Minute))
	if got := certificateProblems(); len(got) != 1 || got[0].GetProblemId() != "tls.expires_soon" {
		t.Errorf("a minute before its end: %v", got)
	}
	status.StatusTime = timestamppb.New(ends.Add(time.Second))
	if got := certificateProblems(); len(got) != 1 || got[0].GetProblemId() != "tls.expired" || got[0].GetSeverity() != statusv1.ProblemSeverity_PROBLEM_SEVERITY_FAULT {
		t.Errorf("after its end: %v", got)
	}
}

func TestTheStatusHasNoSecret(t *testing.T) {
	t.Parallel()
	withPassword := strings.Replace(pgtest.NewDatabase(t), "@", ":opensesame@", 1)
	r := start(t, withFeed, func(c *settings.Config) {
		c.Issuers[0].Profile = "clerk"
		c.DatabaseURL, c.ClerkWebhookSecret = withPassword, []string{webhookSecret}
	})
	text, err := protojson.Marshal(r.statusFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"clerk"`) || !strings.Contains(string(text), "postgres") {
		t.Errorf("the source or the database is missing: %s", text)
	}
	for _, secret := range []string{"opensesame", webhookSecret, secretOfFeed} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the status has %s: %s", secret, text)
		}
	}
}
