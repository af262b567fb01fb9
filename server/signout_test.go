package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
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
func (b *backend) use(c *settings.Config) {
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
