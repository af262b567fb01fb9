package httpauth_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const procedure = "/ostiary.test.v1.Files/Export"

// onlyExport has one rule: the procedure of these tests wants an identity.
type onlyExport struct{ guardtest.Everyone }

func (r onlyExport) Rule(name string) auth.Rule {
	if name != procedure {
		return nil
	}
	return r.Everyone
}

func newGuard(observe auth.ObserverFunc) *auth.Guard {
	return &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: onlyExport{}, Observer: observe}
}

var whoCalls = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprint(w, auth.MustFromContext(r.Context()).Subject)
})

func neverCalled(t *testing.T) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
}

func newServer(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// An answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, server *httptest.Server, method, path, authorization string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: string(read)}
}

func TestAnAdmittedRequestReachesTheHandlerWithItsCaller(t *testing.T) {
	t.Parallel()
	var seen auth.Decision
	server := newServer(t, httpauth.Protect(newGuard(func(_ context.Context, d auth.Decision) { seen = d }), procedure, whoCalls))
	got := do(t, server, http.MethodGet, "/export", "Bearer "+guardtest.GoodToken)
	if got.status != http.StatusOK || got.body != "ada" {
		t.Fatalf("status %d, body %q; want 200, ada", got.status, got.body)
	}
	if seen.Procedure != procedure || seen.Protocol != "http" || seen.Stream != auth.ByteStream || seen.Peer == "" {
		t.Errorf("the guard was asked about %+v", seen)
	}
}

func TestARefusedRequestNeverReachesTheHandler(t *testing.T) {
	t.Parallel()
	server := newServer(t, httpauth.Protect(newGuard(nil), procedure, neverCalled(t)))
	for name, test := range map[string]struct {
		method, path, authorization string
		want                        auth.Reason
	}{
		"without a token":         {method: http.MethodGet, path: "/", want: auth.TokenMissing},
		"with a forged token":     {method: http.MethodPost, path: "/", authorization: "Bearer forged-token", want: auth.SignatureInvalid},
		"whatever the path":       {method: http.MethodGet, path: "//export/%2e%2e/?token=" + guardtest.GoodToken, want: auth.TokenMissing},
		"whatever the method":     {method: "BREW", path: "/", want: auth.TokenMissing},
		"OPTIONS is no exception": {method: http.MethodOptions, path: "/", want: auth.TokenMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := do(t, server, test.method, test.path, test.authorization)
			assertRefusal(t, got, test.want, test.want.Message())
			if strings.Contains(got.body, "cause") || strings.Contains(got.body, "forged-token") {
				t.Errorf("the caller received too much: %s", got.body)
			}
		})
	}
}

func assertRefusal(t *testing.T, got answer, want auth.Reason, message string) {
	t.Helper()
	if got.status != want.HTTPStatus() {
		t.Errorf("status %d; want %d", got.status, want.HTTPStatus())
	}
	for name, value := range map[string]string{
		"WWW-Authenticate": auth.NewError(want, nil).Challenge(),
		"Content-Type":     "application/json",
		"Cache-Control":    "no-store",
	} {
		if sent := got.header.Get(name); sent != value {
			t.Errorf("%s %q; want %q", name, sent, value)
		}
	}
	var sent struct {
		Code    string
		Message string
		Details []struct {
			Type  string
			Value string
			Debug struct {
				Reason, Domain string
				Links          []struct{ URL string }
			}
		}
	}
	if err := json.Unmarshal([]byte(got.body), &sent); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	if sent.Code != want.Code().String() || sent.Message != message || len(sent.Details) < 2 {
		t.Fatalf("body %s; want code %v, message %q and two details", got.body, want.Code(), message)
	}
	detail := sent.Details[0]
	value, err := base64.RawStdEncoding.DecodeString(detail.Value)
	if err != nil {
		t.Fatal(err)
	}
	info := new(errdetails.ErrorInfo)
	if err := proto.Unmarshal(value, info); err != nil {
		t.Fatal(err)
	}
	if detail.Type != "google.rpc.ErrorInfo" || info.GetReason() != want.String() || info.GetDomain() != auth.ErrorDomain {
		t.Errorf("detail %s %v; want reason %v", detail.Type, info, want)
	}
	if detail.Debug.Reason != want.String() || detail.Debug.Domain != auth.ErrorDomain {
		t.Errorf("debug %v; want reason %v", detail.Debug, want)
	}
	help := sent.Details[1]
	if links := help.Debug.Links; help.Type != "google.rpc.Help" || len(links) != 1 || links[0].URL != auth.HelpFor(want.String()).GetLinks()[0].GetUrl() {
		t.Errorf("detail %v; want a link to the entry of %v", help, want)
	}
}

func TestARefusalThatPassesByItselfSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	for reason, want := range map[auth.Reason]string{auth.KeysUnavailable: "5", auth.RevocationsStale: "5", auth.RoleRequired: "", auth.AuthFailure: ""} {
		answer := httptest.NewRecorder()
		httpauth.Error(answer, auth.NewError(reason, nil))
		if got := answer.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q; want %q", reason, got, want)
		}
	}
}

func TestHEADIsRefusedWithoutABody(t *testing.T) {
	t.Parallel()
	server := newServer(t, httpauth.Protect(newGuard(nil), procedure, neverCalled(t)))
	got := do(t, server, http.MethodHead, "/", "")
	if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Bearer" || got.body != "" {
		t.Errorf("%+v; want 401, a challenge and no body", got)
	}
}

// TestTheBodyOfARefusedRequestIsNotAskedFor sends a request that waits for the
// server's 100 Continue, which net/http gives when the body is read.
func TestTheBodyOfARefusedRequestIsNotAskedFor(t *testing.T) {
	t.Parallel()
	server := newServer(t, httpauth.Protect(newGuard(nil), procedure, neverCalled(t)))
	reply := speak(t, server, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if !strings.HasPrefix(reply, "HTTP/1.1 401 ") {
		t.Errorf("reply %q; want 401 at once", reply)
	}
}

// TestARefusalDoesNotWaitForTheBody has clients over HTTP/1.1 that have not sent
// their body whole.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		testRefusalDoesNotWait(t, func(guarded http.Handler) http.Handler { return guarded })
	})
	t.Run("within a guard that admits", func(t *testing.T) {
		t.Parallel()
		testRefusalDoesNotWait(t, func(guarded http.Handler) http.Handler {
			return httpauth.Protect(newStage(nil).guard, procedure, guarded)
		})
	})
}

func testRefusalDoesNotWait(t *testing.T, around func(http.Handler) http.Handler) {
	t.Helper()
	for name, test := range map[string]struct {
		body string
		kept bool
	}{
		"no body":                     {"Content-Length: 0\r\n\r\n", true},
		"a short body":                {"Content-Length: 2\r\n\r\n{}", true},
		"a short body that is late":   {"Content-Length: 2\r\n\r\n{", false},
		"a chunked body that is open": {"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false},
		"a long body":                 {"Content-Length: 1000000\r\n\r\n{}", false},
		"the longest body":            {"Content-Length: 65536\r\n\r\n" + strings.Repeat("a", 65536), true},
		"a body just too long":        {"Content-Length: 65537\r\n\r\n" + strings.Repeat("a", 65537), false},
		"a chunked body that is done": {"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, around(httpauth.Protect(newGuard(nil), procedure, neverCalled(t))))
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
			if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: test\r\n"+test.body); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			read, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			assertRefusal(t, answer{status: res.StatusCode, header: res.Header, body: string(read)}, auth.TokenMissing, auth.TokenMissing.Message())
			if res.Close == test.kept {
				t.Errorf("the connection is to be closed: %t; want kept: %t", res.Close, test.kept)
			}
			if test.kept {
				return
			}
			if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
				t.Errorf("after the answer comes %q, then %v; want the end", rest, err)
			}
		})
	}
}

// TestAClientThatIsSendingReadsTheRefusal has clients over HTTP/1.1 send without a
// pause, so that there is always something which the server has not read. Were the
// connection closed at once, they would find it reset.
func TestAClientThatIsSendingReadsTheRefusal(t *testing.T) {
	t.Parallel()
	chunk := "1000\r\n" + strings.Repeat("a", 0x1000) + "\r\n"
	for i := range 10 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			guarded := httpauth.Protect(newGuard(nil), procedure, neverCalled(t))
			if i%2 == 1 { // within a guard that admits
				guarded = httpauth.Protect(newStage(nil).guard, procedure, guarded)
			}
			server := newServer(t, guarded)
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
				for err == nil { // until the server closes the connection
					_, err = io.WriteString(conn, chunk)
				}
			}()
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			read, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			assertRefusal(t, answer{status: res.StatusCode, header: res.Header, body: string(read)}, auth.TokenMissing, auth.TokenMissing.Message())
			if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
				t.Errorf("after the answer comes %q, then %v; want the end", rest, err)
			}
			<-sent
		})
	}
}

func TestAnAdmittedRequestCanUpgrade(t *testing.T) {
	t.Parallel()
	server := newServer(t, httpauth.Protect(newGuard(nil), procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		_ = conn.Close()
	})))
	reply := speak(t, server, "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\nAuthorization: Bearer "+guardtest.GoodToken+"\r\n\r\n")
	if !strings.HasPrefix(reply, "HTTP/1.1 101 ") {
		t.Errorf("reply %q; want 101", reply)
	}
}

// speak sends a request as it is written and returns the first line of the
// answer.
func speak(t *testing.T, server *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestANilGuardRefusesEveryRequest(t *testing.T) {
	t.Parallel()
	for name, guard := range map[string]*auth.Guard{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, httpauth.Protect(guard, procedure, neverCalled(t)))
			got := do(t, server, http.MethodGet, "/", "Bearer "+guardtest.GoodToken)
			assertRefusal(t, got, auth.AuthFailure, auth.AuthFailure.Message())
		})
	}
}

func TestAProcedureWithoutARuleIsRefused(t *testing.T) {
	t.Parallel()
	server := newServer(t, httpauth.Protect(newGuard(nil), "/export", neverCalled(t)))
	got := do(t, server, http.MethodGet, "/export", "Bearer "+guardtest.GoodToken)
	assertRefusal(t, got, auth.AuthFailure, auth.AuthFailure.Message())
}

func TestErrorAnswersWithTheRefusal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err     error
		want    auth.Reason
		message string
	}{
		"a refusal of the handler's own": {
			err:  fmt.Errorf("handler: %w", &auth.Error{Reason: auth.ReverificationRequired, Message: `say "friend"`, Cause: errors.New("cause")}),
			want: auth.ReverificationRequired, message: `say "friend"`,
		},
		"any other error, which stays inside": {err: errors.New("cause"), want: auth.AuthFailure, message: auth.AuthFailure.Message()},
		"no error at all":                     {err: nil, want: auth.AuthFailure, message: auth.AuthFailure.Message()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for _, stale := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified"} {
					w.Header().Set(stale, "9")
				}
				httpauth.Error(w, test.err)
			}))
			got := do(t, server, http.MethodGet, "/", "")
			assertRefusal(t, got, test.want, test.message)
			if strings.Contains(got.body, "cause") {
				t.Errorf("the caller received the cause: %s", got.body)
			}
			for _, stale := range []string{"Content-Encoding", "ETag", "Last-Modified"} {
				if got.header.Get(stale) != "" {
					t.Errorf("%s describes a body that was not sent", stale)
				}
			}
		})
	}
}

// TestAProcedureWithoutARuleIsWarnedOf has Protect log it before there is a request, and mark
// nothing: the handler alone is guarded, and no service.
func TestAProcedureWithoutARuleIsWarnedOf(t *testing.T) {
	t.Parallel()
	var log guardtest.Log
	guard := newGuard(nil)
	guard.Logger = slog.New(slog.NewTextHandler(&log, nil))
	httpauth.Protect(guard, procedure, whoCalls)
	if got := log.String(); got != "" {
		t.Errorf("logged %s; want nothing, since there is a rule", got)
	}
	forgotten := httpauth.Protect(guard, "/ostiary.test.v1.Files/Import", neverCalled(t))
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "procedure=/ostiary.test.v1.Files/Import") {
		t.Errorf("logged %s; want one error that names the procedure", got)
	}
	if guard.Guards("/ostiary.test.v1.Files/") || guard.Guards("/ostiary.test.v1.Files/Import") {
		t.Error("a service counts as guarded of which one handler is")
	}
	forgotten.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/import", nil))
	if got := log.String(); strings.Count(got, "\n") != 1 {
		t.Errorf("logged %s; want no line for a request", got)
	}
}
