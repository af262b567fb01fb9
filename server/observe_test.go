package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// contains reports whether one line of the log has all the parts.
func contains(log *logBuffer, parts ...string) bool {
	for line := range strings.Lines(log.String()) {
		found := true
		for _, part := range parts {
			found = found && strings.Contains(line, part)
		}
		if found {
			return true
		}
	}
	return false
}

func TestTheLogHasALineForEachCall(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.issuer.Session("user_ada")
	expired := r.issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-2*time.Hour)))
	for _, call := range r.protocols() {
		_, _ = call(t.Context(), t, ada)
		_, _ = call(t.Context(), t, expired)
	}
	whoAmI := "procedure=" + identityv1connect.IdentityServiceWhoAmIProcedure
	for _, protocol := range []string{"connect", "grpc", "grpcweb"} {
		eventually(t, "the log has both calls with "+protocol, func() bool {
			return contains(r.log, "level=INFO", whoAmI, "protocol="+protocol, "peer=127.0.0.1:", "code=ok", "duration=", "subject=user_ada", "issuer="+r.issuer.URL()) &&
				contains(r.log, "level=INFO", whoAmI, "protocol="+protocol, "code=unauthenticated", "reason=TOKEN_EXPIRED", `cause="expired `)
		})
	}
}

// Handlers refuse too, and those refusals have a cause like the guard's.
func TestTheLogHasTheReasonAndTheCauseOfAHandlersRefusal(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	ben := r.issuer.Session("user_ben")
	for protocol, transport := range r.transports() {
		_, err := transport.sessions(t, ben).RevokeSubject(t.Context(), &sessionv1.RevokeSubjectRequest{Target: &sessionv1.RevokeSubjectRequest_Subject{
			Subject: &revocationv1.SubjectRef{Issuer: r.issuer.URL(), Subject: "user_ada"},
		}})
		if reason, _ := connectauth.ReasonOf(err); reason != auth.PermissionRequired {
			t.Errorf("over %s: %v; want PERMISSION_REQUIRED", protocol, err)
		}
	}
	eventually(t, "the log has the refusal of each call", func() bool {
		n := 0
		for line := range strings.Lines(r.log.String()) {
			if strings.Contains(line, "SessionService/RevokeSubject") && strings.Contains(line, "code=permission_denied") &&
				strings.Contains(line, `reason=PERMISSION_REQUIRED cause="the caller is no operator by operator_subjects or operator_permission"`) {
				n++
			}
		}
		return n == len(r.transports())
	})
}

func TestTheLogShowsTheOutcomeOfUnusualRequests(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.issuer.Session("user_ada")
	tests := map[string]struct {
		path, contentType, body string
		want                    []string
	}{
		"a message that cannot be read":       {identityv1connect.IdentityServiceWhoAmIProcedure, "application/proto", "\xff", []string{"code=invalid_argument", "reason=INVALID_REQUEST", "subject=user_ada"}},
		"a field that the method has not":     {identityv1connect.IdentityServiceWhoAmIProcedure, "application/json", `{"user":1}`, []string{"code=invalid_argument", "reason=INVALID_REQUEST", "subject=user_ada"}},
		"a content type of no protocol":       {identityv1connect.IdentityServiceWhoAmIProcedure, "text/plain", "{}", []string{"protocol=http", "code=http_415"}},
		"a path that leads nowhere":           {"/secret-path", "application/json", "{}", []string{"procedure=unknown", "code=http_404"}},
		"a probe of the health, as debugging": {"/grpc.health.v1.Health/Check", "application/json", "{}", []string{"level=DEBUG", "code=ok"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.post(t, test.path, test.contentType, ada, test.body)
			eventually(t, "the log has the call", func() bool { return contains(r.log, test.want...) })
		})
	}
	t.Cleanup(func() {
		if strings.Contains(r.log.String(), "secret-path") {
			t.Error("the log has the path of a request that nothing was registered for")
		}
	})
}

func TestAProbeIsLoggedByItsRouteAtLevelDebug(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := httpClient(t, false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		eventually(t, "the log has the probe of "+path, func() bool {
			return contains(r.log, "level=DEBUG", `procedure="GET `+path+`"`)
		})
	}
}

// post sends a body and throws the answer away.
func (r *running) post(t *testing.T, path, contentType, token, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	bearer(token).set(req.Header)
	res, err := httpClient(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// The log is what is shown to others when something is wrong.
func TestNoPartOfATokenIsInTheLog(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	tokens := map[string]string{
		"good":           r.issuer.Session("user_ada"),
		"expired":        r.issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-2*time.Hour))),
		"forged":         r.issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256").WithID(r.issuer.Key().ID()))),
		"of a stranger":  r.issuer.Session("user_ada", authtest.With("iss", "https://stranger.example")),
		"not a token":    "c2VjcmV0LXRoaW5n.bm90LWEtdG9rZW4.YXQtYWxsLXJlYWxseQ",
		"opaque":         "oat_01234567890123456789",
		"much too large": strings.Repeat("QUFBQUFB", 1200),
	}
	for _, token := range tokens {
		for _, call := range r.protocols() {
			_, _ = call(t.Context(), t, token)
		}
		r.post(t, "/"+token+"?access_token="+token, "application/json", token, token)
		r.post(t, identityv1connect.IdentityServiceWhoAmIProcedure, "application/json", token, token)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		err := r.grpcConn(t).Invoke(ctx, "/"+token+"/WhoAmI", &identityv1.WhoAmIRequest{}, &identityv1.WhoAmIResponse{})
		if code := status.Code(err); code != codes.Unimplemented {
			t.Errorf("an unknown native method answers %v; want %v", code, codes.Unimplemented)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	for name, token := range tokens {
		for _, part := range strings.Split(token, ".") {
			// Long enough that it cannot be there by chance, as eyJhbGciOi might.
			for i := 0; i+24 <= len(part); i += 8 {
				if strings.Contains(log, part[i:i+24]) {
					t.Fatalf("the log has %q of the token that is %s", part[i:i+24], name)
				}
			}
		}
	}
}

// Every protocol is asked: what recovers, and what logs, differs.
func TestAPanicBecomesInternalAndIsLogged(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			ada := r.issuer.Session("user_ada")
			eventually(t, "the keys are there", r.ready)
			r.session.ledger, r.revocation.ledger, r.access.Load().rules = nil, nil, nil
			tr := r.transports()[protocol]
			_, unary := tr.access(t, ada).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{})
			stream, err := tr.sessions(t, ada).WatchSessions(t.Context(), &sessionv1.WatchSessionsRequest{})
			if err != nil || stream.Receive() {
				t.Fatalf("%v, %v; want no message", err, stream.Err())
			}
			for method, err := range map[string]error{"ExplainAccess": unary, "WatchSessions": stream.Err()} {
				if connect.CodeOf(err) != connect.CodeInternal || !strings.Contains(err.Error(), transport.ErrPanic.Error()) || strings.Contains(err.Error(), "nil") {
					t.Errorf("%s ended with %v; want %v and nothing of the panic", method, err, transport.ErrPanic)
				}
			}
			eventually(t, "the log has both panics and both calls", func() bool {
				return contains(r.log, "level=ERROR", "nil pointer dereference", "session.go") &&
					contains(r.log, "level=ERROR", "nil pointer dereference", "explain.go") &&
					contains(r.log, "level=ERROR", "procedure=/ostiary.session.v1.SessionService/WatchSessions", "code=internal", "subject=user_ada") &&
					contains(r.log, "level=ERROR", "procedure=/ostiary.access.v1.AccessService/ExplainAccess", "code=internal", "subject=user_ada")
			})
		})
	}
}
