package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

var madeRequestID = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{16}$`)

// answered keeps the header of each answer of a connect client.
type answered struct{ header http.Header }

func (a *answered) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		var failed *connect.Error
		if errors.As(err, &failed) {
			a.header = failed.Meta()
		} else if err == nil {
			a.header = res.Header()
		}
		return res, err
	}
}

func (a *answered) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return &answeredConn{next(ctx, spec), a}
	}
}

func (a *answered) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

type answeredConn struct {
	connect.StreamingClientConn

	to *answered
}

func (c *answeredConn) Receive(message any) error {
	err := c.StreamingClientConn.Receive(message)
	c.to.header = c.ResponseHeader()
	return err
}

// requestIDIn returns the id that the ErrorInfo of an error has.
func requestIDIn(err error) string {
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return ""
	}
	for _, detail := range failed.Details() {
		if value, _ := detail.Value(); value != nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return info.GetMetadata()["request_id"]
			}
		}
	}
	return ""
}

// The receiver of an answer finds its lines in the log by the id alone.
func TestTheIDOfACallIsInItsAnswerAndInItsLines(t *testing.T) {
	t.Parallel()
	for _, name := range transportNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			eventually(t, "the server is ready", r.ready)
			r.access.Load().rules = nil // has ExplainAccess panic
			ada := r.issuer.Session("user_ada")
			tr := r.transports()[name]
			for call, test := range map[string]struct {
				make  func(tr endpoint) error
				code  connect.Code // 0 is success
				lines []string     // of the log
			}{
				"served": {func(tr endpoint) error {
					_, err := tr.identity(t, ada).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
					return err
				}, 0, []string{"msg=call code=ok subject=user_ada"}},
				"refused": {func(tr endpoint) error {
					_, err := tr.identity(t, "").WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
					return err
				}, connect.CodeUnauthenticated, []string{"msg=call code=unauthenticated reason=TOKEN_MISSING"}},
				"a stream that is refused": {func(tr endpoint) error {
					return tr.watch(t, r.issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-2*time.Hour))))
				}, connect.CodeUnauthenticated, []string{"msg=call code=unauthenticated reason=TOKEN_EXPIRED subject=user_ada session=sess_ kid= token_id="}},
				"failed in its handler": {func(tr endpoint) error {
					_, err := tr.sessions(t, ada).GetSession(t.Context(), tr.getReq("sess_none"))
					return err
				}, connect.CodeNotFound, []string{"msg=call code=not_found reason=SESSION_NOT_FOUND cause= subject=user_ada session=sess_ kid= token_id="}},
				"with a message that is not valid": {func(tr endpoint) error {
					_, err := tr.sessions(t, ada).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageSize: -1})
					return err
				}, connect.CodeInvalidArgument, []string{"msg=call code=invalid_argument reason=INVALID_REQUEST page_size"}},
				"with a panic": {func(tr endpoint) error {
					_, err := tr.access(t, ada).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{})
					return err
				}, connect.CodeInternal, []string{"level=ERROR nil", "msg=call code=internal cause="}},
			} {
				t.Run(call, func(t *testing.T) {
					var got answered
					tr := tr
					tr.options = append(tr.options[:len(tr.options):len(tr.options)], connect.WithInterceptors(&got))
					err := test.make(tr)
					if test.code == 0 && err != nil || test.code != 0 && connect.CodeOf(err) != test.code {
						t.Fatalf("%v; want code %v", err, test.code)
					}
					id := got.header.Get("X-Request-Id")
					if !madeRequestID.MatchString(id) || len(got.header.Values("X-Request-Id")) != 1 {
						t.Fatalf("the answer's ids are %q", got.header.Values("X-Request-Id"))
					}
					switch test.code {
					case 0:
					case connect.CodeInternal:
						if !strings.Contains(err.Error(), id) {
							t.Errorf("the message has no id %s: %v", id, err)
						}
					default:
						if in := requestIDIn(err); in != id {
							t.Errorf("the details have the id %q; want %q", in, id)
						}
					}
					for _, line := range test.lines {
						parts := append(strings.Split(line, " "), "request_id="+id)
						eventually(t, fmt.Sprintf("the log has %v", parts), func() bool { return contains(r.log, parts...) })
					}
				})
			}
		})
	}
}

func (tr endpoint) identity(t *testing.T, token string) identityv1connect.IdentityServiceClient {
	t.Helper()
	return identityv1connect.NewIdentityServiceClient(httpClient(t, true), tr.url, append(tr.options, connect.WithInterceptors(bearer(token)))...)
}

// watch opens a stream and returns its error.
func (tr endpoint) watch(t *testing.T, token string) error {
	t.Helper()
	stream, err := tr.sessions(t, token).WatchSessions(t.Context(), &sessionv1.WatchSessionsRequest{})
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	if stream.Receive() {
		t.Error("the stream was not refused")
	}
	return stream.Err()
}

// What is no RPC has an id too, and pages may read it.
func TestEveryAnswerOfTheHTTPPortHasAnID(t *testing.T) {
	t.Parallel()
	const page = "https://app.example.com"
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{page} })
	for name, test := range map[string]struct{ method, path, log string }{
		"a probe":                      {http.MethodGet, "/livez", `procedure="GET /livez"`},
		"a path that leads nowhere":    {http.MethodGet, "/none", "code=http_404"},
		"a challenge":                  {http.MethodOptions, "/", "reason=TOKEN_MISSING"},
		"a call of a page":             {http.MethodPost, identityv1connect.IdentityServiceWhoAmIProcedure, "reason=TOKEN_MISSING"},
		"a preflight of a foreign one": {http.MethodOptions, identityv1connect.IdentityServiceWhoAmIProcedure, "a page of another origin was refused"},
	} {
		header := map[string]string{"Content-Type": "application/json", "Origin": page}
		if strings.Contains(name, "foreign") {
			header["Origin"], header["Access-Control-Request-Method"] = "https://evil.example.com", http.MethodPost
		}
		_, answer, body := r.send(t, test.method, test.path, header, "{}")
		id := answer.Get("X-Request-Id")
		if !madeRequestID.MatchString(id) {
			t.Errorf("%s: the id is %q", name, id)
		}
		eventually(t, name+" is in the log with its id", func() bool { return contains(r.log, test.log, "request_id="+id) })
		if header["Origin"] == page && !strings.Contains(strings.ToLower(answer.Get("Access-Control-Expose-Headers")), "x-request-id") {
			t.Errorf("%s: pages may read %q", name, answer.Get("Access-Control-Expose-Headers"))
		}
		if test.log == "reason=TOKEN_MISSING" && !strings.Contains(body, `"metadata":{"request_id":"`+id+`"}`) && !strings.Contains(strings.ReplaceAll(body, " ", ""), `"request_id":"`+id+`"`) {
			t.Errorf("%s: the body has no id: %s", name, body)
		}
	}
}

func TestATracedCallIsLoggedWithItsTrace(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", startTraceCollector(t).url)
	r := start(t)
	_, answer, _ := r.send(t, http.MethodPost, identityv1connect.IdentityServiceWhoAmIProcedure,
		map[string]string{"Content-Type": "application/json", "Traceparent": traceparent}, "{}")
	eventually(t, "the log has the trace", func() bool {
		return contains(r.log, "msg=call", "request_id="+answer.Get("X-Request-Id"), "trace_id="+callersTrace)
	})
}

// hostileRequestIDs are values of x-request-id as they stand on a connection.
var hostileRequestIDs = map[string]string{
	"long":              strings.Repeat("a", 20_000),
	"a space":           "chosen id",
	"a tab":             "chosen\tid",
	"quotes":            `"chosen" level=ERROR`,
	"a line folded":     "chosen\r\n level=ERROR",
	"another header":    "chosen\r\nX-Request-Id: chosen-too",
	"not ASCII":         "chos\xc3\xa9n",
	"not UTF-8":         "chosen\xff",
	"a comma":           "chosen,chosen-too",
	"escapes":           "chosen\x1b[2J",
	"what is in markup": "<b>chosen</b>",
	"empty":             "",
}

// sendRaw sends a call with this x-request-id, and returns that of the answer; false where
// net/http refuses the request by itself.
func (r *running) sendRaw(t *testing.T, id string) (got string, ok bool) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-Request-Id: %s\r\n\r\n{}",
		identityv1connect.IdentityServiceWhoAmIProcedure, id)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return "", false
	}
	return res.Header.Get("X-Request-Id"), true
}

// nativeRequestID makes a native call with these ids, and returns that of the answer.
func (r *running) nativeRequestID(t *testing.T, ids ...string) string {
	t.Helper()
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"x-request-id": ids})
	var header metadata.MD
	_, err := r.nativeClient(t).WhoAmI(ctx, &identityv1.WhoAmIRequest{}, grpc.Header(&header))
	got := header.Get("x-request-id")
	if len(got) != 1 {
		t.Fatalf("the ids are %q; %v", got, err)
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetMetadata()["request_id"] != got[0] {
			t.Errorf("the details have the id %q; want %q", info.GetMetadata()["request_id"], got[0])
		}
	}
	return got[0]
}

func TestOnlyTrustedProxiesChooseTheIDOfACall(t *testing.T) {
	t.Parallel()
	const chosen = "chosen-0af76519:1/+@._"
	for _, trusted := range []bool{false, true} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *settings.Config) {
				if trusted {
					c.TrustedProxies = []string{"127.0.0.1"}
				}
			})
			overHTTP, _ := r.sendRaw(t, chosen)
			for port, got := range map[string]string{"HTTP": overHTTP, "native": r.nativeRequestID(t, chosen)} {
				if trusted != (got == chosen) {
					t.Errorf("%s: the id is %q", port, got)
				}
				eventually(t, "the log has the id of the answer", func() bool { return contains(r.log, "msg=call", "request_id="+got) })
			}
			for name, id := range hostileRequestIDs {
				if got, ok := r.sendRaw(t, id); ok && !madeRequestID.MatchString(got) {
					t.Errorf("%s: the id is %q", name, got)
				}
			}
			for _, ids := range [][]string{{"chosen", "chosen-too"}, {"chosen id"}, {strings.Repeat("a", 10_000)}, {`"chosen"`}, {""}} {
				if got := r.nativeRequestID(t, ids...); !madeRequestID.MatchString(got) {
					t.Errorf("native, %.40q: the id is %q", ids, got)
				}
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			log := strings.ReplaceAll(r.log.String(), "request_id="+chosen, "")
			if strings.Contains(log, "chosen") || strings.Contains(log, "aaaaaaaa") {
				t.Error("the log has an id that must not be taken")
			}
		})
	}
	if !auth.ValidRequestID(chosen) {
		t.Error("the id that is chosen is not valid")
	}
}
