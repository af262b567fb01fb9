package doctor_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/internal/testprogram"
	"github.com/ostiary/ostiary/server"
	"github.com/ostiary/ostiary/server/settings"
)

// The server accepts tokens by the keys of the snapshot then.
func TestATokenIsVerifiedByTheSnapshotWhileTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	issuer, snapshot := authtest.Start(t), filepath.Join(t.TempDir(), "keys")
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer.JWKSURL(), Snapshot: snapshot})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Lookup(t.Context(), jwks.Hint{KeyID: issuer.Key().ID(), Algorithm: "RS256"}); err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil { // which waits for the snapshot
		t.Fatal(err)
	}
	before, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"OSTIARY_ISSUER=" + issuer.URL(), "OSTIARY_AUDIENCES=api", "OSTIARY_JWKS_URL=" + issuer.JWKSURL()}
	token := issuer.Session("user_ada", authtest.With("aud", "api"), authtest.ExpiresIn(time.Hour))
	issuer.Fail(authtest.Refuse)
	without := setup{environ: environ, token: token, timeout: 20 * time.Second}
	want{"token.keys_unavailable", doctor.Fault, "see the findings about this issuer", ""}.check(t, without.examine(t))
	with := setup{environ: append(environ, "OSTIARY_KEYS_SNAPSHOT="+snapshot), token: token, timeout: 20 * time.Second}
	want{"token.accepted", doctor.OK, "", issuer.URL()}.check(t, with.examine(t))
	issuer.Restore()
	want{"token.accepted", doctor.OK, "", issuer.URL()}.check(t, with.examine(t))
	if after, err := os.ReadFile(snapshot); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the snapshot, which the server keeps, was written: %v", err)
	}
}

func TestTroubleWithATokenIsFound(t *testing.T) {
	t.Parallel()
	issuer, other := authtest.Start(t), authtest.Start(t)
	stranger := authtest.New("https://calm-cat-1.clerk.accounts.dev")
	environ := func(more ...string) []string { return append([]string{"OSTIARY_ISSUER=" + issuer.URL()}, more...) }
	const aud, azp = "OSTIARY_AUDIENCES=api", "OSTIARY_AUTHORIZED_PARTIES=https://app.example.com"
	for name, test := range map[string]struct {
		environ []string
		token   string
		want    want
	}{
		"it is accepted":     {environ(aud), issuer.Session("user_ada", authtest.With("aud", "api")), want{"token.accepted", doctor.OK, "", issuer.URL()}},
		"pasted with Bearer": {environ(aud), "Bearer " + issuer.Session("user_ada", authtest.With("aud", "api")) + "\n", want{"token.accepted", doctor.OK, "", ""}},
		"another audience": {
			environ(aud), issuer.Session("user_ada", authtest.With("aud", "backend")),
			want{"token.audience_mismatch", doctor.Fault, "set OSTIARY_AUDIENCES to the aud of the token", `"backend"`},
		},
		"no audience, as of a template without one": {
			environ(aud), issuer.Template("user_ada", authtest.Without("aud")),
			want{"token.audience_mismatch", doctor.Fault, "set the audience in the JWT template", "the token has no aud; OSTIARY_AUDIENCES is api"},
		},
		"of a template, without audiences in the settings": {
			environ(azp), issuer.Template("user_ada", authtest.With("azp", "https://app.example.com")),
			want{"token.token_kind_unsupported", doctor.Fault, "a JWT template is accepted only where OSTIARY_AUDIENCES is set", "template"},
		},
		"another page": {
			environ(azp), issuer.Session("user_ada", authtest.With("azp", "http://localhost:3000")),
			want{"token.authorized_party_mismatch", doctor.Fault, "add the azp of the token to OSTIARY_AUTHORIZED_PARTIES", "https://app.example.com"},
		},
		"a page with a slash": {
			environ(azp), issuer.Session("user_ada", authtest.With("azp", "https://app.example.com/")),
			want{"token.authorized_party_mismatch", doctor.Fault, "without a slash at the end", `"https://app.example.com/"`},
		},
		"expired": {
			environ(aud), issuer.Session("user_ada", authtest.With("aud", "api"), authtest.IssuedAt(time.Now().Add(-time.Hour))),
			want{"token.token_expired", doctor.Fault, "fetch a fresh token", "expired"},
		},
		"expired, and of another audience": {
			environ(aud), issuer.Session("user_ada", authtest.With("aud", "backend"), authtest.IssuedAt(time.Now().Add(-time.Hour))),
			want{"token.audience_mismatch", doctor.Fault, "", "backend"},
		},
		"of the future": {
			environ(aud), issuer.Session("user_ada", authtest.With("aud", "api"), authtest.IssuedAt(time.Now().Add(time.Hour))),
			want{"token.token_not_yet_valid", doctor.Fault, "set the clock of this machine right", "ahead"},
		},
		"of another kind": {environ(aud), issuer.Machine("mch_1", authtest.With("aud", "api")), want{"token.token_kind_unsupported", doctor.Fault, "OSTIARY_ACCEPT_KINDS", "machine"}},
		"forged": {
			environ(aud), issuer.Session("user_ada", authtest.With("aud", "api"), authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID()))),
			want{"token.signature_invalid", doctor.Fault, "of another instance", ""},
		},
		"of another issuer":        {environ(aud), other.Session("user_ada"), want{"token.issuer_untrusted", doctor.Fault, "correct OSTIARY_ISSUER", other.URL()}},
		"of Clerk's development":   {[]string{"OSTIARY_ISSUER=https://clerk.invalid", aud}, stranger.Session("user_ada"), want{"token.issuer_untrusted", doctor.Fault, "one of them is of Clerk's development environment", "calm-cat-1"}},
		"a slash more in the name": {environ(aud), issuer.Session("user_ada", authtest.With("iss", issuer.URL()+"/")), want{"token.issuer_untrusted", doctor.Fault, "set OSTIARY_ISSUER to " + issuer.URL() + "/", "only the slash"}},
		"https in the name":        {environ(aud), issuer.Session("user_ada", authtest.With("iss", strings.Replace(issuer.URL(), "http:", "https:", 1))), want{"token.issuer_untrusted", doctor.Fault, "set OSTIARY_ISSUER to https:", "only the scheme"}},
		"no token":                 {environ(aud), "hello", want{"token.malformed", doctor.Fault, "whole and without quotes", "not a JWT"}},
		"encrypted":                {environ(aud), "a.b.c.d.e", want{"token.malformed", doctor.Fault, "", "encrypted"}},
		"settings with a fault": {
			[]string{"OSTIARY_ISSUER=" + issuer.URL(), "OSTIARY_PROFILE=robot"}, issuer.Session("user_ada"),
			want{"token.unchecked", doctor.Warning, "correct the settings of the issuer first", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := setup{environ: test.environ, token: test.token, timeout: 20 * time.Second}.examine(t)
			test.want.check(t, findings)
			for _, finding := range findings {
				if parts := strings.Split(test.token, "."); len(parts) == 3 && strings.Contains(finding.What+finding.Remedy+finding.Subject, strings.TrimSpace(parts[2])) {
					t.Errorf("the token is shown: %+v", finding)
				}
			}
		})
	}
}

func TestTroubleWithTheHubIsFound(t *testing.T) {
	t.Parallel()
	const secret, wrong = "the-secret-of-this-feed-0123456789-a", "another-secret-of-a-feed-0123456789"
	issuer := authtest.Start(t)
	config := oneOf(issuer)
	config.FeedSecret = []string{secret}
	hub, _ := serve(t, config)
	web := listen(t, http.NotFoundHandler())
	for name, test := range map[string]struct {
		hub, secret string
		environ     []string
		want        want
	}{
		"all is well":           {"http://" + hub, secret, nil, want{"feed.hub", doctor.OK, "", "accepts the secret"}},
		"another secret":        {"http://" + hub, wrong, nil, want{"feed.secret_refused", doctor.Fault, "set OSTIARY_FOLLOW_SECRET to one of the secrets in feed_secret of the hub", ""}},
		"it is no hub":          {"http://" + web, secret, nil, want{"feed.no_hub", doctor.Fault, "the URL of the hub's http_addr", ""}},
		"nothing is there":      {"http://127.0.0.1:1", secret, nil, want{"feed.refused", doctor.Fault, "", "127.0.0.1:1 refuses"}},
		"it is not in here":     {"http://localhost:1", secret, []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, want{"feed.refused", doctor.Fault, "inside a container localhost is the container itself", ""}},
		"its name is unknown":   {"https://hub.invalid", secret, nil, want{"feed.dns", doctor.Fault, "correct the name", ""}},
		"http, and not https":   {"https://" + hub, secret, nil, want{"feed.scheme", doctor.Fault, "correct the scheme", ""}},
		"a secret of no length": {"http://" + hub, "short", nil, want{"settings.follow_secret", doctor.Fault, "", "32"}},
		"not in plaintext":      {"http://hub.invalid", secret, nil, want{"settings.follow", doctor.Fault, "use https", "plain http"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := append([]string{"OSTIARY_ISSUER=" + issuer.URL(), "OSTIARY_FOLLOW=" + test.hub, "OSTIARY_FOLLOW_SECRET=" + test.secret}, test.environ...)
			test.want.check(t, setup{environ: environ}.examine(t))
		})
	}
}

func TestTroubleWithMessagesOfIssuersIsFound(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	config := oneOf(issuer)
	config.ClerkWebhookSecret = []string{"whsec_bmV2ZXIgdG8gYmUgc2VlbiBpbiBhIGxvZyBvciBlcnJvcg=="}
	addr, flags := serve(t, config)
	s := setup{environ: []string{"OSTIARY_ISSUER=" + issuer.URL(), "CLERK_WEBHOOK_SIGNING_SECRET=" + config.ClerkWebhookSecret[0]}, flags: flags}
	findings := s.examine(t)
	want{"signals.silent", doctor.Warning, "/signals/clerk", "no message has come"}.check(t, findings)
	want{"signals.heard", doctor.OK, "", "POST /signals/clerk"}.check(t, findings)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/signals/clerk", bytes.NewReader([]byte(`{"type":"session.ended","data":{}}`)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,bm90IHNpZ25lZA=="} {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	want{"signals.refused", doctor.Fault, "compare the secret with that of the endpoint", "all 1 messages were refused"}.check(t, s.examine(t))

	want{"signals.not_heard", doctor.Warning, "set CLERK_WEBHOOK_SIGNING_SECRET", "none of its messages are received"}.check(t, described("https://clerk.invalid").examine(t))
}

func TestTroubleWithPostgreSQLIsFound(t *testing.T) {
	t.Parallel()
	if err := pgserver.Installed(); err != nil {
		testprogram.Missing(t, err.Error())
	}
	db, err := pgserver.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	execute := func(database, sql string) {
		t.Helper()
		if err := db.Execute(t.Context(), database, sql); err != nil {
			t.Fatal(err)
		}
	}
	execute("postgres", "CREATE ROLE ada LOGIN PASSWORD 'hunter2' IN ROLE locked")
	execute("postgres", "CREATE ROLE ben LOGIN")
	empty, used := newDatabase(t, db), newDatabase(t, db)
	with := func(url string) []doctor.Finding {
		t.Helper()
		return setup{environ: []string{"DATABASE_URL=" + url}}.examine(t)
	}
	want{"store.new", doctor.OK, "", "there is no database yet"}.check(t, with(empty))
	want{"store.unreachable", doctor.Fault, "PGPASSWORD", "refuses the login"}.check(t, with(strings.Replace(empty, "user="+pgserver.User, "user=ada&password=wrong-password", 1)))
	want{"store.unreachable", doctor.Fault, "DATABASE_URL", "there is no such database"}.check(t, with(db.URL("nowhere")))
	want{"store.read_only", doctor.Fault, "make it writable", "GRANT CREATE"}.check(t, with(strings.Replace(empty, "user="+pgserver.User, "user=ben", 1)))

	config := oneOf(authtest.Start(t))
	config.DatabaseURL, config.HTTPAddr, config.GRPCAddr, config.AdminAddr = used, "127.0.0.1:0", "127.0.0.1:0", settings.AdminNone
	srv, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	want{"store.usable", doctor.OK, "", "can be read and written"}.check(t, with(used))
	name := used[strings.LastIndexByte(used, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	execute(name, "INSERT INTO ostiary.goose_db_version (version_id, is_applied) VALUES (999, true)")
	want{"store.unusable", doctor.Fault, "", "newer version"}.check(t, with(used))
	execute(name, "DELETE FROM ostiary.goose_db_version WHERE version_id IN (999, (SELECT MAX(version_id) FROM ostiary.goose_db_version WHERE version_id < 999))")
	want{"store.older_schema", doctor.Warning, "update every server", "its schema is version"}.check(t, with(used))
	execute("postgres", "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	want{"store.read_only", doctor.Fault, "make it writable", "standby"}.check(t, with(used))
	if err := db.Kill(); err != nil {
		t.Fatal(err)
	}
	want{"store.unreachable", doctor.Fault, "DATABASE_URL", "check the host in database_url"}.check(t, with(used))
}

func newDatabase(t *testing.T, db *pgserver.Server) string {
	t.Helper()
	url, err := db.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}
