package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

const source = authclient.StaticToken(guardtest.GoodToken)

func TestWithTokenSendsTheTokenOverTLS(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, _ string, shape auth.StreamType, option connect.ClientOption) {
		server := newTLSServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil))))
		reply, err := call(t.Context(), server.Client(), server.URL, shape, "hello", option, connectauth.WithToken(server.URL, source))
		if err != nil || reply != "ada hello" {
			t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
		}
	})
}

func TestWithTokenSendsTheTokenToLoopbackInPlaintext(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, _ string, shape auth.StreamType, option connect.ClientOption) {
		server := newServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil))))
		reply, err := call(t.Context(), h2c(t), server.URL, shape, "hello", option, connectauth.WithToken(server.URL, source))
		if err != nil || reply != "ada hello" {
			t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
		}
	})
}

// unreachable fails the test when a call gets as far as the network.
type unreachable struct{ t *testing.T }

func (u unreachable) Do(req *http.Request) (*http.Response, error) {
	u.t.Errorf("a request went out to %s", req.URL)
	return nil, errors.New("unreachable")
}

func TestWithTokenRefusesBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	const api = "http://api.example.com"
	tests := map[string]struct{ called, base, why string }{
		"plaintext to another machine":              {called: api, base: api, why: "in plaintext"},
		"plaintext to a name that looks like ours":  {called: "http://localhost.example.com", base: "http://localhost.example.com", why: "in plaintext"},
		"plaintext to a name that begins with ours": {called: "http://127.0.0.1.example.com", base: "http://127.0.0.1.example.com", why: "in plaintext"},
		"plaintext to every interface":              {called: "http://0.0.0.0:8080", base: "http://0.0.0.0:8080", why: "in plaintext"},
		"plaintext to an address":                   {called: "http://192.0.2.1", base: "http://192.0.2.1", why: "in plaintext"},
		"plaintext to a private address":            {called: "http://10.0.0.1:80", base: "http://10.0.0.1:80", why: "in plaintext"},
		"plaintext to an IPv6 address":              {called: "http://[2001:db8::1]", base: "http://[2001:db8::1]", why: "in plaintext"},
		"another host than the base URL's":          {called: "http://api.example.com", base: "https://www.example.com", why: "own base URL"},
		"another port than the base URL's":          {called: "https://api.example.com:8443", base: "https://api.example.com", why: "own base URL"},
		"another scheme than http and https":        {called: "http://localhost", base: "unix://localhost", why: "has the scheme"},
		"a base URL without a host":                 {called: api, base: "api.example.com", why: "base URL cannot be used"},
		"a base URL that is none":                   {called: api, base: "http://[::1", why: "base URL cannot be used"},
	}
	for name, test := range tests {
		for shape := range guardtest.Procedures {
			t.Run(name+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				asked := authclient.TokenFunc(func(context.Context) (string, error) {
					t.Error("the source was asked for a token")
					return guardtest.GoodToken, nil
				})
				_, err := call(t.Context(), unreachable{t}, test.called, shape, "hello", connectauth.WithToken(test.base, asked))
				if code := connect.CodeOf(err); code != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), test.why) {
					t.Errorf("error %v; want code failed_precondition, and %q", err, test.why)
				}
			})
		}
	}
}

func TestAStreamThatWasRefusedLocallyNeitherHangsNorSends(t *testing.T) {
	t.Parallel()
	const api = "http://api.example.com"
	client := connect.NewClient[text, text](unreachable{t}, api+guardtest.Procedures[auth.BidiStream], connectauth.WithToken(api, source))
	stream := client.CallBidiStream(t.Context())
	_, received := stream.Receive()
	for step, err := range map[string]error{
		"send":           stream.Send(wrapperspb.String("hello")),
		"receive":        received,
		"close request":  stream.CloseRequest(),
		"close response": stream.CloseResponse(),
	} {
		if connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("%s: error %v; want code failed_precondition", step, err)
		}
	}
	if len(stream.ResponseHeader())+len(stream.ResponseTrailer()) != 0 {
		t.Error("the stream has a response")
	}
}

func TestANilSourceFailsTheCall(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.com"
	_, err := call(t.Context(), unreachable{t}, api, auth.Unary, "hello", connectauth.WithToken(api, nil))
	if code := connect.CodeOf(err); code != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "the token source is nil") {
		t.Errorf("error %v; want code failed_precondition, and what is nil", err)
	}
}

func TestInsecureAllowPlaintextSendsToAnyHost(t *testing.T) {
	t.Parallel()
	const api = "http://api.example.com"
	server := newServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil))))
	client := h2c(t)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	reply, err := call(t.Context(), client, api, auth.Unary, "hello",
		connectauth.WithToken(api, source, connectauth.InsecureAllowPlaintext()))
	if err != nil || reply != "ada hello" {
		t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
	}
}

func TestTheSourceAloneDecidesWhatIsSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		token string
		want  []string
	}{
		"its token replaces the one that the call has": {token: guardtest.GoodToken, want: []string{"Bearer " + guardtest.GoodToken}},
		"its empty token takes the call's away":        {token: "", want: nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			mux := newMux(func(context.Context, string) (string, error) { return "", nil })
			server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Header.Values("Authorization")
				mux.ServeHTTP(w, r)
			}))
			_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello",
				header("Authorization", "Bearer relayed-by-accident"), connectauth.WithToken(server.URL, authclient.StaticToken(test.token)))
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("Authorization %q; want %q", got, test.want)
			}
		})
	}
}

func TestACallThatIsTriedAgainGetsAFreshToken(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	fresh := authclient.TokenFunc(func(context.Context) (string, error) {
		if asked.Add(1) == 1 {
			return "stale-token", nil
		}
		return guardtest.GoodToken, nil
	})
	again := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			if connect.CodeOf(err) == connect.CodeUnauthenticated {
				return next(ctx, req)
			}
			return res, err
		}
	})
	server := newServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil))))
	reply, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello",
		connect.WithInterceptors(again), connectauth.WithToken(server.URL, fresh))
	if err != nil || reply != "ada hello" {
		t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
	}
}

func TestASourceThatFailsFailsTheCall(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		code connect.Code
	}{
		"for its own reason":                   {err: errors.New("the vault is locked"), code: connect.CodeUnauthenticated},
		"because the caller gave up":           {err: context.Canceled, code: connect.CodeCanceled},
		"because time ran out":                 {err: fmt.Errorf("fetch: %w", context.DeadlineExceeded), code: connect.CodeDeadlineExceeded},
		"because there is no caller to relay":  {err: relayError(t), code: connect.CodeUnauthenticated},
		"with a refusal of an issuer it asked": {err: auth.NewError(auth.KeysUnavailable, nil), code: connect.CodeUnauthenticated},
	}
	for name, test := range tests {
		for shape := range guardtest.Procedures {
			t.Run(name+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				const api = "https://api.example.com"
				failing := authclient.TokenFunc(func(context.Context) (string, error) { return "", test.err })
				_, err := call(t.Context(), unreachable{t}, api, shape, "hello", connectauth.WithToken(api, failing))
				if !errors.Is(err, test.err) || connect.CodeOf(err) != test.code {
					t.Errorf("error %v with code %v; want %v with code %v", err, connect.CodeOf(err), test.err, test.code)
				}
			})
		}
	}
}

func relayError(t *testing.T) error {
	t.Helper()
	_, err := authclient.RelayCaller().Token(t.Context())
	if err == nil {
		t.Fatal("RelayCaller gave a token outside a call")
	}
	return err
}

func TestRefuseRedirectsKeepsTheTokenFromTheNextHost(t *testing.T) {
	t.Parallel()
	eavesdropper := newServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirected request came with Authorization %q", r.Header.Values("Authorization"))
	}))
	server := newTLSServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, eavesdropper.URL+r.URL.Path, http.StatusTemporaryRedirect) // the same host, another port, plaintext
	}))
	client := server.Client()
	client.CheckRedirect = connectauth.RefuseRedirects
	_, err := call(t.Context(), client, server.URL, auth.Unary, "hello", connectauth.WithToken(server.URL, source))
	if err == nil {
		t.Error("the call succeeded; want an error")
	}
}
