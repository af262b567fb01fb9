package processtest

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A server that gets SIGHUP takes over rules and secrets while it serves, names what it does
// not take over, and keeps everything where a setting is at fault.
func TestRulesAndSecretsAreTakenOverWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	issuer, dir := authtest.Start(t), t.TempDir()
	config, secrets := filepath.Join(dir, "ostiary.yaml"), filepath.Join(dir, "secrets")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const whoAmIRule = "rules: {/ostiary.identity.v1.IdentityService/WhoAmI: {require: {all_permissions: ['org:notes:read']}}}\n"
	oldSecret, newSecret := strings.Repeat("a", 32), strings.Repeat("b", 32)
	write(config, "feed_secret_file: "+secrets+"\n")
	write(secrets, oldSecret)
	p := startPiped(t, serveAnywhere(issuer, "--config", config)...)
	p.awaitReady(t)

	token := issuer.Session("user_ada", authtest.ExpiresIn(time.Hour))
	want := func(what string, whoAmI, withOld, withNew int) {
		t.Helper()
		status, _, err := do(patient, whoAmIRequest(t.Context(), p.url, token))
		if err != nil || status != whoAmI {
			t.Errorf("%s, WhoAmI answers %d, %v; want %d", what, status, err, whoAmI)
		}
		for secret, want := range map[string]int{oldSecret: withOld, newSecret: withNew} {
			req := whoAmIRequest(t.Context(), p.url, secret)
			req.URL.Path = feedv1connect.FeedServiceReportProcedure
			status, _, err := do(patient, req)
			if err != nil || status != want {
				t.Errorf("%s, a follower with the secret %c… is answered %d, %v; want %d", what, secret[0], status, err, want)
			}
		}
	}
	const ok, refused, forbidden, admitted = http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest // an empty report is none
	want("at the start", ok, admitted, refused)

	write(config, whoAmIRule+"feed_secret_file: "+secrets+"\nrequest_timeout: 7s\n")
	write(secrets, oldSecret+"\n"+newSecret)
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`msg="the settings were read again"`))
	p.await(t, regexp.MustCompile(`level=WARN msg="a setting has changed that is taken over only by a restart" setting=request_timeout`))
	want("with the new settings", forbidden, admitted, admitted)

	write(config, "rules: {/ostiary.identity.v1.IdentityService/WhoAmi: {authenticated: {}}}\nfeed_secret_file: "+secrets+"\nrequest_timeot: 7s\n")
	write(secrets, newSecret)
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`level=ERROR msg="the settings were not taken over.*" fault=".*request_timeot`))
	want("with a setting at fault", forbidden, admitted, admitted)

	write(config, "feed_secret_file: "+secrets+"\nlog_level: debug\n")
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`msg="the settings were read again"`))
	p.awaitReady(t)
	p.await(t, regexp.MustCompile(`level=DEBUG msg=call procedure="GET /readyz"`))
	want("without the rule and the old secret", ok, refused, admitted)
	p.stop(t)
}
