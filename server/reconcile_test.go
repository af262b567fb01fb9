package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/settings"
)

// reconciled is what /readyz says of the last outage.
func (r *running) reconciled(t *testing.T) string {
	t.Helper()
	_, _, body := r.send(t, http.MethodGet, "/readyz", nil, "")
	var got readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if len(got.Reconciled) != 1 {
		return ""
	}
	last := got.Reconciled[0]
	if last.Issuer != r.issuer.URL() || last.Since.IsZero() || last.FinishedAt.IsZero() {
		t.Errorf("/readyz says %+v", last)
	}
	return fmt.Sprintf("%d open, %d ended, %d unknown", last.Open, last.Ended, last.Unknown)
}

func TestASessionThatHasEndedAtClerkDuringAnOutageEndsHere(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, withWebhooks, clerk.use)
	cast := r.cast()
	r.seen(t, cast)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	clerk.end("ada-1")
	next := r.again(t, withWebhooks)
	eventually(t, "Clerk is asked at the start", func() bool { return next.reconciled(t) == "6 open, 1 ended, 0 unknown" })
	next.wantReason(t, "the session that has ended", cast["ada-1"], auth.TokenRevoked)
	next.wantAdmitted(t, "another session of the user", cast["ada-2"])

	streams := next.watch(t, cast["ada-2"])
	database := func(want string) {
		t.Helper()
		eventually(t, "the database is "+want, func() bool { _, answer := next.readyz(t); return answer.Database.State == want })
	}
	next.database(t, "ALTER TABLE revocations RENAME TO gone")
	database("failing")
	clerk.end("ada-2")
	if got := next.webhook(t, "msg_1", sessionEnded("ada-2")); got != http.StatusServiceUnavailable {
		t.Errorf("while nothing can be kept: status %d; want 503", got)
	}
	next.wantAdmitted(t, "while nothing can be kept", cast["ada-2"])
	next.database(t, "ALTER TABLE gone RENAME TO revocations")
	database("ok")
	for protocol, stream := range streams {
		_, err := stream.next()
		if reason, _ := reasonOf(err); reason != auth.TokenRevoked {
			t.Errorf("a stream over %s ended with %v; want TOKEN_REVOKED", protocol, err)
		}
	}
	eventually(t, "it is done", func() bool { return next.reconciled(t) == "5 open, 1 ended, 0 unknown" })

	for _, id := range []string{"ada-1", "ada-2"} {
		if got := next.atIssuer(t, cast["otto"], id); got != atIssuerDone || clerk.count(id) != 1 {
			t.Errorf("%s: %v at its issuer, ended %d times; want it done, by its user alone", id, got, clerk.count(id))
		}
	}
	res, err := next.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := &revocationv1.SignalOrigin{Source: "clerk-api", Issuer: r.issuer.URL(), Type: "revoked"}
	if got := res.GetRevocations()[0].GetOrigin().GetSignal(); got.String() != want.String() {
		t.Errorf("the origin is %v; want %v", got, want)
	}
	if log := next.log.String(); strings.Contains(log, someSecretKey) || strings.Contains(log, "missed; tokens") {
		t.Error("the log has the secret key, or says that nobody can be asked")
	}
}

func TestAServerWithoutAKeySaysWhatItMayMiss(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks, withLogout)
	if n := strings.Count(r.log.String(), "can be missed; tokens of these sessions are accepted until they expire"); n != 1 {
		t.Errorf("the log says so %d times; want once for the issuer", n)
	}
	if got := r.reconciled(t); got != "" {
		t.Errorf("/readyz says %s", got)
	}
	// Without messages there is nothing to miss.
	clerk := startBackend(t)
	for _, edit := range []func(*settings.Config){func(*settings.Config) {}, clerk.use} {
		if text := start(t, edit).log.String(); strings.Contains(text, "missed") {
			t.Errorf("the log has %s", text)
		}
	}
}
