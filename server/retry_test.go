package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// retryable are calls with a request_id, one for each method that takes one.
var retryable = map[string]func(t *testing.T, tr endpoint, token, id string) (proto.Message, error){
	"RevokeSession": func(t *testing.T, tr endpoint, token, id string) (proto.Message, error) {
		t.Helper()
		req := tr.revokeReq("ben")
		req.RequestId, req.Cause = id, "lost"
		return tr.sessions(t, token).RevokeSession(t.Context(), req)
	},
	"RevokeSubject": func(t *testing.T, tr endpoint, token, id string) (proto.Message, error) {
		t.Helper()
		req := tr.subjectReq("user_ada")
		req.RequestId = id
		return tr.sessions(t, token).RevokeSubject(t.Context(), req)
	},
	"RevokeTokens": func(t *testing.T, tr endpoint, token, id string) (proto.Message, error) {
		t.Helper()
		return tr.revocations(t, token).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
			Revocations: []*revocationv1.NewRevocation{tr.ofSession("sess_1"), tr.ofSession("sess_2")}, RequestId: id,
		})
	},
}

// ofTheCall returns an answer without what is counted anew for each.
func ofTheCall(answer proto.Message) proto.Message {
	answer = proto.Clone(answer)
	m := answer.ProtoReflect()
	m.Clear(m.Descriptor().Fields().ByName("propagation"))
	return answer
}

func TestARetryIsAnsweredAsTheFirstCallWas(t *testing.T) {
	t.Parallel()
	for method, call := range retryable {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			r := start(t, withOperator, now.set)
			otto := r.issuer.Session("user_otto", authtest.With("sid", "otto"))
			r.seen(t, r.cast())
			tr := r.transports()["Connect"]
			want, err := call(t, tr, otto, "1")
			if err != nil {
				t.Fatal(err)
			}
			kept := r.revocationsKept(t)
			now.move(time.Minute)
			for protocol, tr := range r.transports() {
				// A newer token of another session is the same caller.
				got, err := call(t, tr, r.issuer.Session("user_otto", authtest.With("sid", protocol)), "1")
				if err != nil || !proto.Equal(ofTheCall(got), ofTheCall(want)) {
					t.Errorf("%s: %v, error %v; want %v", protocol, got, err, want)
				}
			}
			if now := r.revocationsKept(t); now != kept {
				t.Errorf("%d revocations after the retries; want %d", now, kept)
			}
			// Another id is another call, and so is another caller's.
			if got, err := call(t, tr, otto, "2"); err != nil || method != "RevokeSession" && proto.Equal(ofTheCall(got), ofTheCall(want)) {
				t.Errorf("with another id: %v, error %v", got, err)
			}
			// It is remembered for a day, over a restart, and no longer.
			now.move(24*time.Hour - 2*time.Minute)
			r = r.again(t)
			before := r.revocationsKept(t)
			if got, err := call(t, r.transports()["gRPC"], r.issuer.Session("user_otto"), "1"); err != nil || !proto.Equal(ofTheCall(got), ofTheCall(want)) || r.revocationsKept(t) != before {
				t.Errorf("almost a day later: %v, error %v; want %v", got, err, want)
			}
			now.move(3 * time.Minute)
			r = r.again(t) // which removes what is old
			got, err := call(t, r.transports()["gRPC"], r.issuer.Session("user_otto"), "1")
			if err != nil || proto.Equal(ofTheCall(got), ofTheCall(want)) {
				t.Errorf("more than a day later: %v, error %v; want another answer", got, err)
			}
		})
	}
}

func TestCallsWithOneIDAtOnceRevokeOnce(t *testing.T) {
	t.Parallel()
	for method, call := range retryable {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			one := start(t, withOperator)
			other := start(t, withOperator, func(c *settings.Config) { c.DataDir, c.Issuers = one.config.DataDir, one.config.Issuers })
			other.issuer = one.issuer
			cast := one.cast()
			one.seen(t, cast)
			one.ledger.Flush(t.Context())
			const callers = 8
			answers := make([]proto.Message, callers)
			var wg sync.WaitGroup
			for i := range callers {
				tr := []*running{one, other}[i%2].transports()[transportNames()[i/2]]
				wg.Go(func() {
					answer, err := call(t, tr, cast["otto"], "1")
					if err != nil {
						t.Errorf("caller %d: %v", i, err)
						return
					}
					answers[i] = ofTheCall(answer)
				})
			}
			wg.Wait()
			for i, answer := range answers {
				if !proto.Equal(answer, answers[0]) {
					t.Errorf("caller %d is answered %v; another %v", i, answer, answers[0])
				}
			}
			// Each call signs the subject out, and the first to be done is answered.
			if want := map[string]int{"RevokeSession": 1, "RevokeSubject": 3, "RevokeTokens": 2}[method]; one.revocationsKept(t) != want && (method != "RevokeSubject" || one.revocationsKept(t) < want) {
				t.Errorf("%d revocations; want %d", one.revocationsKept(t), want)
			}
		})
	}
}

func TestACallThatFailedDoesNotCount(t *testing.T) {
	t.Parallel()
	for method, call := range retryable {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			cast := r.cast()
			r.seen(t, cast)
			r.ledger.Flush(t.Context())
			tr := r.transports()["Connect"]
			for _, spoil := range []string{
				`CREATE TRIGGER full BEFORE INSERT ON revocations BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`,
				`CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`,
				`ALTER TABLE answers RENAME TO gone`,
			} {
				r.database(t, spoil)
				_, err := call(t, tr, cast["otto"], "1")
				wantError(t, spoil, err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
				if retry := detailOf[*errdetails.RetryInfo](err); retry.GetRetryDelay().AsDuration() <= 0 {
					t.Errorf("%v says nothing of when to retry", err)
				}
				if spoil == `ALTER TABLE answers RENAME TO gone` {
					r.database(t, `ALTER TABLE gone RENAME TO answers`)
				} else {
					r.database(t, `DROP TRIGGER full`)
				}
				// A subject is signed out first, and the answer kept in the end.
				if kept := r.revocationsKept(t); kept != 0 && (method != "RevokeSubject" || strings.Contains(spoil, "ON revocations")) {
					t.Fatalf("%d revocations are kept", kept)
				}
			}
			r.wantAdmitted(t, "ben", cast["ben"])
			if _, err := call(t, tr, cast["ben"], "1"); err == nil && method != "RevokeSession" {
				t.Error("somebody else may do it")
			}
			if _, err := call(t, tr, cast["otto"], "1"); err != nil {
				t.Errorf("the retry: %v", err)
			}
			if r.revocationsKept(t) == 0 {
				t.Error("nothing was revoked")
			}
		})
	}
}

// The current session of another call is another session.
func TestTheCurrentSessionIsThatOfTheCall(t *testing.T) {
	t.Parallel()
	r := start(t)
	req := revokeCurrent()
	req.RequestId = "1"
	token := func(i int) string { return r.issuer.Session("user_ada", authtest.With("sid", fmt.Sprint("ada-", i))) }
	if _, err := r.sessions(t, token(1)).RevokeSession(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	_, err := r.sessions(t, token(2)).RevokeSession(t.Context(), req)
	wantError(t, "another session with the same id", err, errorv1.Reason_REASON_REQUEST_ID_REUSED)
	r.wantAdmitted(t, "the other session", token(2))
	_, err = r.sessions(t, token(1)).RevokeSession(t.Context(), req)
	if reason, _ := reasonOf(err); reason != auth.TokenRevoked || connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the session that was ended: %v; want %v", err, auth.TokenRevoked)
	}
}

// Two subjects may choose the same id.
func TestARequestIDIsOfItsCaller(t *testing.T) {
	t.Parallel()
	r := start(t)
	cast := r.cast()
	for _, who := range []string{"ben", "cleo", "dora"} {
		req := revokeCurrent()
		req.RequestId = "1"
		res, err := r.sessions(t, cast[who]).RevokeSession(t.Context(), req)
		if err != nil || res.GetRevocations()[0].GetTarget().GetSession().GetSessionId() != who {
			t.Errorf("%s: %v, error %v", who, res, err)
		}
		subject := subjectCurrent()
		subject.RequestId = "1"
		if _, err := r.sessions(t, r.issuer.Session(res.GetRevocations()[0].GetTarget().GetSession().GetSubject(), authtest.With("sid", who+"-2"))).RevokeSubject(t.Context(), subject); err != nil {
			t.Errorf("%s, with the same id to another method: %v", who, err)
		}
	}
}

// Only operators may know who else revoked, and why: a caller who was one when it was answered
// does not learn it again.
func TestARetryShowsNoMoreThanTheCallerMayKnowNow(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	olgas := store.Revocation{
		Target: store.Target{Kind: "session", Issuer: r.issuer.URL(), Value: "sess_1"}, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		Origin: store.Origin{Kind: store.OriginCaller, Caller: store.Caller{Issuer: r.issuer.URL(), Subject: "user_olga"}}, Cause: "an investigation",
	}
	bens := olgas
	bens.Origin.Caller.Subject, bens.Cause = "user_ben", "lost"
	request, err := r.ledger.Prepare(ledger.Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: r.issuer.URL(), ID: "sess_2"}})
	if err != nil {
		t.Fatal(err)
	}
	ben := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ben"}
	call := func(operators operators) *sessionv1.RevokeSessionResponse {
		t.Helper()
		res, err := once(t.Context(), r.ledger, operators, ben, "/a/B", "1", &sessionv1.RevokeSessionRequest{}, func(answer *store.Answer) (*sessionv1.RevokeSessionResponse, error) {
			res := &sessionv1.RevokeSessionResponse{Revocations: []*revocationv1.Revocation{
				revocationMessage(olgas, operators, ben), revocationMessage(bens, operators, ben),
			}}
			answer.Encode = func([]store.Revocation) ([]byte, error) { return proto.Marshal(res) }
			_, err := r.ledger.Revoke(t.Context(), olgas.Origin, answer, request)
			return res, err
		})
		if err != nil || len(res.GetRevocations()) != 2 {
			t.Fatalf("%v, error %v", res, err)
		}
		return res
	}
	benIs := operatorsOf(settings.Config{Issuers: []settings.Issuer{{URL: r.issuer.URL()}}, OperatorSubjects: []string{"user_ben"}})
	first := call(benIs)
	if got := first.GetRevocations()[0]; got.GetCause() != "an investigation" || got.GetOrigin().GetCaller().GetSubject() != "user_olga" {
		t.Fatalf("an operator is answered %v", got)
	}
	if got := call(benIs); !proto.Equal(got, first) {
		t.Errorf("the retry of an operator is answered %v; want %v", got, first)
	}
	got := call(operators{})
	if r := got.GetRevocations()[0]; r.GetCause() != "" || r.GetOrigin() != nil || r.GetRevocationId() != first.GetRevocations()[0].GetRevocationId() {
		t.Errorf("who is no operator any more is answered %v", r)
	}
	if r := got.GetRevocations()[1]; !proto.Equal(r, first.GetRevocations()[1]) {
		t.Errorf("of the caller's own revocation: %v; want %v", r, first.GetRevocations()[1])
	}
}
