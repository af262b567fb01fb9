package auth_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

var madeID = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{16}$`)

// hostileIDs are no ids of calls, or are none that may be taken.
var hostileIDs = []string{
	"", "a\nlevel=ERROR msg=forged", "a\r\nSet-Cookie: a=b", "id with space", "id,id", `id"`, "id'", "<script>", "{}", "id;o=1", "%0a",
	"ünïcode", "\x00", "\x7f", "\u202eid", "\xff", strings.Repeat("a", 129), strings.Repeat("a", 1<<20),
}

func TestOnlyIDsThatFitIntoALogAreTaken(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "0af76519-16cd-43dd-8448-eb211c80319c", "Root=1-67891233-abcdef012345678912345678", "a+b/c=", strings.Repeat("a", 128)} {
		if got := auth.RequestID(auth.WithRequestID(t.Context(), id)); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	seen := make(map[string]bool)
	for _, id := range hostileIDs {
		got := auth.RequestID(auth.WithRequestID(t.Context(), id))
		if !madeID.MatchString(got) || seen[got] {
			t.Errorf("%.40q became %q; want a new id", id, got)
		}
		seen[got] = true
		had := auth.WithRequestID(t.Context(), "had-before")
		if got := auth.RequestID(auth.WithRequestID(had, id)); got != "had-before" {
			t.Errorf("%.40q replaced the id of the context by %q", id, got)
		}
	}
	if got := auth.RequestID(t.Context()); got != "" {
		t.Errorf("a context without an id has %q", got)
	}
}

// seen is an Observer that keeps the last decision, and the id in its context.
type seen struct {
	auth.Decision

	inContext string
}

func (s *seen) Observe(ctx context.Context, d auth.Decision) {
	s.Decision, s.inContext = d, auth.RequestID(ctx)
}

func TestACallHasOneIDEverywhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ctx   context.Context
		call  auth.Call
		token string
		want  string // "" for a new one
	}{
		"admitted, made":                   {t.Context(), auth.Call{}, guardtest.GoodToken, ""},
		"refused, made":                    {t.Context(), auth.Call{}, "", ""},
		"admitted, of the context":         {auth.WithRequestID(t.Context(), "ctx"), auth.Call{}, guardtest.GoodToken, "ctx"},
		"refused, of the context":          {auth.WithRequestID(t.Context(), "ctx"), auth.Call{}, "forged", "ctx"},
		"admitted, of the adapter":         {auth.WithRequestID(t.Context(), "ctx"), auth.Call{RequestID: "call"}, guardtest.GoodToken, "call"},
		"refused, of the adapter":          {t.Context(), auth.Call{RequestID: "call"}, "forged", "call"},
		"within a call of another guard's": {admitted(t, "outer"), auth.Call{}, guardtest.GoodToken, "outer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var saw seen
			guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: guardtest.OnlyHello{}, Observer: &saw}
			test.call.Procedure, test.call.Messages, test.call.Header = "/a.B/C", true, http.Header{}
			if test.token != "" {
				test.call.Header = http.Header{"Authorization": {"Bearer " + test.token}}
			}
			ctx, err := guard.Admit(test.ctx, test.call)
			id := auth.RequestID(ctx)
			if test.want != "" && id != test.want || test.want == "" && !madeID.MatchString(id) {
				t.Errorf("the id is %q; want %q", id, test.want)
			}
			if saw.RequestID != id || saw.inContext != id {
				t.Errorf("the decision has %q and its context %q; want %q", saw.RequestID, saw.inContext, id)
			}
			if err == nil { // the second decision about the same call
				if guard.CheckRequest(ctx, "bye") == nil || saw.RequestID != id || saw.Refusal == nil {
					t.Errorf("the refusal of the message has %q; want %q", saw.RequestID, id)
				}
			}
		})
	}
}

func admitted(t *testing.T, id string) context.Context {
	t.Helper()
	ctx, err := guardtest.NewGuard(nil).Admit(t.Context(), auth.Call{RequestID: id, Header: http.Header{"Authorization": {"Bearer " + guardtest.GoodToken}}})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func TestTheDetailsHaveTheID(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*auth.Error{
		"a reason alone": auth.NewError(auth.TokenExpired, nil),
		"a demand":       {Reason: auth.ScopeRequired, Demand: &auth.Demand{Scopes: []string{"a", "b"}}},
	} {
		without := infoOf(t, refusal)
		for _, id := range []string{"one", "two"} { // which must not be kept in what refusals share
			details := refusal.Details(id)
			info := new(errdetails.ErrorInfo)
			if err := details[0].UnmarshalTo(info); err != nil || info.GetMetadata()["request_id"] != id || info.GetMetadata()["scope"] != without.GetMetadata()["scope"] || info.GetReason() != without.GetReason() {
				t.Errorf("%s: %v, %v; want %v and the id %s", name, info, err, without, id)
			}
		}
		if got := infoOf(t, refusal); got.GetMetadata()["request_id"] != "" {
			t.Errorf("%s: the id of a call was kept for others: %v", name, got)
		}
	}
	other, err := anypb.New(&errdetails.RetryInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if auth.WithRequestIDDetail(other, "id") != other {
		t.Error("a detail of another type was changed")
	}
}

// TestWhoCalledIsLoggedButNotSent has an Error with everything that only operators may see.
func TestWhoCalledIsLoggedButNotSent(t *testing.T) {
	t.Parallel()
	token := auth.VerifiedToken{Issuer: "https://issuer.test", Subject: "user_\nada", SessionID: "sess_1", KeyID: "key_1", TokenID: strings.Repeat("jti_1", 100)}
	refusal := auth.AsVerified(auth.Errorf(auth.AudienceMismatch, "the cause"), token)
	d := auth.Decision{RequestID: "call-1", Procedure: "/a.B/C", Refusal: refusal}
	if d.OfStranger() || d.Token() != token {
		t.Errorf("the decision is of %+v", d.Token())
	}
	var log bytes.Buffer
	auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil))).Observe(t.Context(), d)
	for _, part := range []string{"request_id=call-1", "issuer=https://issuer.test", `subject=user_\nada`, "session=sess_1", "kid=key_1", "token_id=jti_1", `cause="the cause"`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %s: %s", part, log.String())
		}
	}
	if log.Len() > 600 {
		t.Errorf("the line has %d bytes", log.Len())
	}
	sent := refusal.Error() + refusal.Challenge()
	for _, detail := range refusal.Details("call-1") {
		sent += string(detail.GetValue())
	}
	for _, secret := range []string{"user_", "sess_1", "key_1", "jti_1", "issuer.test", "the cause"} {
		if strings.Contains(sent, secret) {
			t.Errorf("the caller gets %s: %q", secret, sent)
		}
	}
}

func FuzzRequestID(f *testing.F) {
	f.Add("0af76519-16cd-43dd-8448-eb211c80319c")
	for _, id := range hostileIDs {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		got := auth.RequestID(auth.WithRequestID(t.Context(), id))
		if got != id && !madeID.MatchString(got) || len(got) > 128 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"\\,;<>&'`%{}()[]", r) }) {
			t.Errorf("%q became %q", id, got)
		}
	})
}
