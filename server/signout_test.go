package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

const (
	atIssuerUnspecified   = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_UNSPECIFIED
	atIssuerNotConfigured = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_CONFIGURED
	atIssuerNotRequested  = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_REQUESTED
	atIssuerPending       = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING
	atIssuerDone          = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_DONE
	atIssuerRefused       = sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_REFUSED
)

const someSecretKey = "sk_test_never_to_be_seen"

// A backend is Clerk's Backend API, which has every session. Its name says whose it is.
type backend struct {
	url string

	mu     sync.Mutex
	ended  map[string]int // how often each was
	status int            // of the answer, if it is not 200
}

func startBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{ended: make(map[string]int)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+someSecretKey {
			t.Errorf("%s %s without the secret key", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		if b.status != 0 {
			w.WriteHeader(b.status)
			return
		}
		id, isRevoke := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/sessions/"), "/revoke")
		if isRevoke {
			b.ended[id]++
		}
		status := "active"
		if b.ended[id] > 0 {
			status = "revoked"
		}
		owner, _, _ := strings.Cut(id, "-")
		_ = json.NewEncoder(w).Encode(map[string]string{"object": "session", "id": id, "status": status, "user_id": "user_" + owner})
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// use has a server end sessions there.
func (b *backend) use(c *Config) {
	c.Issuers[0].SecretKey, c.Issuers[0].APIURL = someSecretKey, b.url
}

func (b *backend) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

// end ends a session as its user would, at Clerk itself.
func (b *backend) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[id]++
}

// count returns how often a session was ended.
func (b *backend) count(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended[id]
}

// atIssuer is what the server says of a session.
func (r *running) atIssuer(t *testing.T, token, id string) sessionv1.IssuerSignOut {
	t.Helper()
	res, err := r.sessions(t, token).GetSession(t.Context(), r.getReq(id))
	if err != nil {
		t.Fatal(err)
	}
	return res.GetSession().GetIssuerSignOut()
}

func (r *running) endsAtIssuer(t *testing.T, token, id string) {
	t.Helper()
	eventually(t, id+" ends at its issuer", func() bool { return r.atIssuer(t, token, id) == atIssuerDone })
	if strings.Contains(r.log.String(), someSecretKey) {
		t.Error("the secret key is in the log")
	}
}

func TestASessionThatIsEndedIsEndedAtItsIssuer(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, clerk.use)
	cast := r.cast()
	r.seen(t, cast)
	watch := r.transports()["Connect"].watchSessions(t, cast["otto"])
	if got := r.atIssuer(t, cast["otto"], "ben"); got != atIssuerUnspecified {
		t.Errorf("while it goes on: %v", got)
	}
	req := r.revokeReq("ben")
	req.RequestId = "once"
	for range 2 {
		res, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), req)
		if err != nil || res.GetIssuerSignOut() != atIssuerPending {
			t.Fatalf("%v, %v; want it pending", res, err)
		}
	}
	r.endsAtIssuer(t, cast["otto"], "ben")
	for watch.Receive() {
		if events := watch.Msg().GetEvents(); len(events) > 0 && events[0].GetSession().GetIssuerSignOut() == atIssuerDone {
			break
		}
	}
	if err := watch.Err(); err != nil {
		t.Errorf("the watch ended before it said so: %v", err)
	}
	res, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben"))
	if err != nil || res.GetIssuerSignOut() != atIssuerDone || clerk.count("ben") != 1 {
		t.Errorf("ended again: %v, %v, asked %d times; want it done, once", res, err, clerk.count("ben"))
	}

	own, err := r.sessions(t, cast["cleo"]).RevokeSession(t.Context(), revokeCurrent())
	if err != nil || own.GetIssuerSignOut() != atIssuerPending {
		t.Fatalf("her own: %v, %v", own, err)
	}
	r.endsAtIssuer(t, cast["otto"], "cleo")

	subject, err := r.sessions(t, cast["otto"]).RevokeSubject(t.Context(), r.subjectReq("user_ada"))
	if err != nil || subject.GetIssuerSignOut() != atIssuerPending || subject.GetRevokedSessionCount() != 2 {
		t.Fatalf("every session of a subject: %v, %v", subject, err)
	}
	r.endsAtIssuer(t, cast["otto"], "ada-1")
	r.endsAtIssuer(t, cast["otto"], "ada-2")
	none, err := r.sessions(t, cast["otto"]).RevokeSubject(t.Context(), r.subjectReq("user_nobody"))
	if err != nil || none.GetIssuerSignOut() != atIssuerUnspecified {
		t.Errorf("a subject without sessions: %v, %v", none, err)
	}
}

func TestWhatEndsNoSessionForGoodIsNotEndedAtItsIssuer(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, clerk.use)
	cast := r.cast()
	r.seen(t, cast)
	before := r.ofSession("ada-1")
	before.Extent = &revocationv1.NewRevocation_IssuedBeforeTime{IssuedBeforeTime: timestamppb.New(time.Now())}
	token := &revocationv1.NewRevocation{Target: &revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: r.issuer.URL(), TokenId: "1"}}}}
	_, err := r.revocations(t, cast["otto"]).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{before, token, r.ofSession("ben")}})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := r.revocations(t, cast["otto"]).ImportRevocations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("cleo")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndReceive(); err != nil {
		t.Fatal(err)
	}
	r.endsAtIssuer(t, cast["otto"], "ben")
	if got := r.atIssuer(t, cast["otto"], "cleo"); got != atIssuerNotRequested {
		t.Errorf("an imported one: %v", got)
	}
	if got := r.atIssuer(t, cast["otto"], "ada-1"); got != atIssuerUnspecified {
		t.Errorf("one that may go on with newer tokens: %v", got)
	}
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("cleo")); err != nil {
		t.Fatal(err)
	}
	r.endsAtIssuer(t, cast["otto"], "cleo")
	if clerk.count("ada-1") != 0 {
		t.Error("a session that may go on was ended")
	}
}

func TestWithoutAKeyTheIssuerStillBelievesInASession(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	res, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben"))
	if err != nil || res.GetIssuerSignOut() != atIssuerNotConfigured {
		t.Errorf("a session: %v, %v", res, err)
	}
	subject, err := r.sessions(t, cast["otto"]).RevokeSubject(t.Context(), r.subjectReq("user_ada"))
	if err != nil || subject.GetIssuerSignOut() != atIssuerNotConfigured {
		t.Errorf("a subject: %v, %v", subject, err)
	}
	if got := r.atIssuer(t, cast["otto"], "ben"); got != atIssuerNotConfigured {
		t.Errorf("the session: %v", got)
	}

	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	clerk.use(&r.config)
	with := r.again(t)
	if got := with.atIssuer(t, cast["otto"], "ben"); got != atIssuerNotRequested {
		t.Errorf("when there is a key: %v", got)
	}
	again, err := with.sessions(t, cast["otto"]).RevokeSession(t.Context(), with.revokeReq("ben"))
	if asked := again.GetIssuerSignOut(); err != nil || asked != atIssuerPending && asked != atIssuerDone || again.GetRevokedSessionCount() != 0 {
		t.Errorf("ended again: %v, %v", again, err)
	}
	with.endsAtIssuer(t, cast["otto"], "ben")
	if _, err := with.sessions(t, cast["otto"]).RevokeSubject(t.Context(), with.subjectReq("user_ada")); err != nil {
		t.Fatal(err)
	}
	with.endsAtIssuer(t, cast["otto"], "ada-1")
}

func TestAnIssuerThatFailsDelaysNothingHere(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	clerk.answer(http.StatusServiceUnavailable)
	r := start(t, withOperator, clerk.use)
	cast := r.cast()
	r.seen(t, cast)
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben")); err != nil {
		t.Fatal(err)
	}
	if got := r.atIssuer(t, cast["otto"], "ben"); got != atIssuerPending {
		t.Errorf("%v; want it pending", got)
	}
	if status, _ := r.readyz(t); status != http.StatusOK {
		t.Errorf("/readyz says %d", status)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	clerk.answer(0)
	next := r.again(t)
	next.endsAtIssuer(t, cast["otto"], "ben")

	clerk.answer(http.StatusGone)
	if _, err := next.sessions(t, cast["otto"]).RevokeSession(t.Context(), next.revokeReq("cleo")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool { return next.atIssuer(t, cast["otto"], "cleo") == atIssuerRefused })
	clerk.answer(0)
	if _, err := next.sessions(t, cast["otto"]).RevokeSession(t.Context(), next.revokeReq("cleo")); err != nil {
		t.Fatal(err)
	}
	next.endsAtIssuer(t, cast["otto"], "cleo")
}

func TestTheEndOfAnImpersonatorsSessionIsThatOfTheImpersonator(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, clerk.use)
	cast := r.cast()
	token := r.issuer.Session("user_ada", authtest.With("sid", "ada-as"), authtest.With("act", map[string]any{"sub": "user_ben", "sid": "ben"}))
	cast["ada-as"] = token
	r.seen(t, cast)
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben")); err != nil {
		t.Fatal(err)
	}
	r.endsAtIssuer(t, cast["otto"], "ben")
	if got := r.atIssuer(t, cast["otto"], "ada-as"); got != atIssuerUnspecified || clerk.count("ada-as") != 0 {
		t.Errorf("the session in which he acted: %v, ended %d times", got, clerk.count("ada-as"))
	}
}

// Some issuers let users choose which session their tokens name.
func TestASessionOfAnotherSubjectGoesOnAtTheIssuer(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, clerk.use)
	cast := r.cast()
	eve := r.issuer.Session("user_eve", authtest.With("sid", "ben"))
	r.seen(t, map[string]string{"ben": cast["ben"], "otto": cast["otto"]})
	if _, err := r.sessions(t, eve).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool { return strings.Contains(r.log.String(), "at Clerk it is the session of another user") })
	if n := clerk.count("ben"); n != 0 {
		t.Errorf("his session was ended %d times", n)
	}
	if got := r.atIssuer(t, cast["ben"], "ben"); got != atIssuerUnspecified {
		t.Errorf("his session, which goes on: %v", got)
	}
	if _, err := r.sessions(t, cast["ben"]).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "his session is ended by himself", func() bool { return clerk.count("ben") == 1 })
}

func TestSecretKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const live, test = "sk_live_a1B2_c3=", "sk_test_a1B2"
	const production, development = "https://clerk.example.com", "https://happy-hippo-1.clerk.accounts.dev"
	for name, test := range map[string]struct {
		issuer Issuer
		want   []string
	}{
		"of production":                  {Issuer{URL: production, SecretKey: live}, nil},
		"of development":                 {Issuer{URL: development, SecretKey: test}, nil},
		"in a file":                      {Issuer{URL: production, SecretKeyFile: file("good", live+"\n"), APIURL: "https://api.example.com/clerk/"}, nil},
		"of a test on this machine":      {Issuer{URL: "http://127.0.0.1:1", SecretKey: test, APIURL: "http://127.0.0.1:2"}, nil},
		"of development for production":  {Issuer{URL: production, SecretKey: test}, []string{"issuers[0].secret_key: is of a development instance, and the issuer https://clerk.example.com is not"}},
		"of production for development":  {Issuer{URL: development, SecretKey: live}, []string{"issuers[0].secret_key: is of a production instance, and the issuer https://happy-hippo-1.clerk.accounts.dev is of a development instance"}},
		"a publishable key":              {Issuer{URL: production, SecretKey: "pk_live_a1B2"}, []string{"issuers[0].secret_key: is not a secret key of Clerk's: it starts with sk_test_ or sk_live_"}},
		"the beginning of one":           {Issuer{URL: production, SecretKey: "sk_live_"}, []string{"issuers[0].secret_key: is not a secret key of Clerk's: it has nothing after its prefix"}},
		"two lines":                      {Issuer{URL: production, SecretKeyFile: file("two", live+"\n"+live)}, []string{"issuers[0].secret_key_file: is not a secret key of Clerk's: it has nothing"}},
		"an empty file":                  {Issuer{URL: production, SecretKeyFile: file("empty", "\n")}, []string{"issuers[0].secret_key_file: the file is empty"}},
		"no file":                        {Issuer{URL: production, SecretKeyFile: filepath.Join(dir, "none")}, []string{"issuers[0].secret_key_file: cannot read the secret key"}},
		"a key and a file":               {Issuer{URL: production, SecretKey: live, SecretKeyFile: file("also", live)}, []string{"issuers[0].secret_key_file: given beside `secret_key`"}},
		"for another provider":           {Issuer{URL: "https://sso.example.com", Profile: "keycloak", SecretKey: live}, []string{"issuers[0].secret_key: is Clerk's, and `profile` is keycloak"}},
		"with sessions that are another": {Issuer{URL: production, SecretKey: live, Claims: Claims{Session: []string{"login"}}}, []string{"issuers[0].secret_key: is given with `session_claim`"}},
		"sent over plain http":           {Issuer{URL: production, SecretKey: live, APIURL: "http://api.example.com", InsecureHTTP: true}, []string{`issuers[0].api_url: "http://api.example.com" is plain http`}},
		"sent with a version":            {Issuer{URL: production, SecretKey: live, APIURL: "https://api.clerk.com/v1/"}, []string{`issuers[0].api_url: "https://api.clerk.com/v1/" ends in the version`}},
		"sent with a query":              {Issuer{URL: production, SecretKey: live, APIURL: "https://api.clerk.com?"}, []string{"issuers[0].api_url: has a query"}},
		"sent with a user":               {Issuer{URL: production, SecretKey: live, APIURL: "https://ada:pw@api.clerk.com"}, []string{"issuers[0].api_url: has a user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.issuer.AllowAnyAudience = true
			faults := Config{Issuers: []Issuer{test.issuer}}.Faults()
			if len(faults) != len(test.want) {
				t.Fatalf("faults %v; want %q", faults, test.want)
			}
			for i, fault := range faults {
				if text := fault.String(); !strings.HasPrefix(text, test.want[i]) || strings.Contains(text, "a1B2") {
					t.Errorf("%s; want it to begin with %s, and no part of the key in it", text, test.want[i])
				}
			}
		})
	}
}
