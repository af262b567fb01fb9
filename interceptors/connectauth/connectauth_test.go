package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

var protocols = map[string][]connect.ClientOption{
	connect.ProtocolConnect: nil,
	connect.ProtocolGRPC:    {connect.WithGRPC()},
	connect.ProtocolGRPCWeb: {connect.WithGRPCWeb()},
}

// eachCall runs test for every protocol and shape of call.
func eachCall(t *testing.T, test func(t *testing.T, protocol string, shape auth.StreamType, option connect.ClientOption)) {
	t.Helper()
	for protocol, options := range protocols {
		for shape := range guardtest.Procedures {
			t.Run(protocol+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				test(t, protocol, shape, connect.WithClientOptions(options...))
			})
		}
	}
}

func TestAnAdmittedCallReachesTheHandlerWithItsCaller(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, protocol string, shape auth.StreamType, option connect.ClientOption) {
		var seen auth.Decision
		guard := guardtest.NewGuard(func(_ context.Context, d auth.Decision) { seen = d })
		server := newServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guard)))

		reply, err := call(t.Context(), h2c(t), server.URL, shape, "hello", option, header("Authorization", "Bearer "+guardtest.GoodToken))
		if err != nil || reply != "ada hello" {
			t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
		}
		if seen.Procedure != guardtest.Procedures[shape] || seen.Protocol != protocol || seen.Stream != shape || seen.Peer == "" {
			t.Errorf("the guard was asked about %+v", seen)
		}
	})
}

func TestARefusedCallNeverReachesTheHandler(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, protocol string, shape auth.StreamType, option connect.ClientOption) {
		server := newServer(t, newMux(func(context.Context, string) (string, error) {
			t.Error("the handler ran")
			return "", nil
		}, connectauth.WithGuard(guardtest.NewGuard(nil))))

		_, err := call(t.Context(), h2c(t), server.URL, shape, "hello", option, header("Authorization", "Bearer forged-token"))
		assertRefusal(t, err, protocol, auth.SignatureInvalid, auth.SignatureInvalid.Message())
		if strings.Contains(err.Error(), "cause") || strings.Contains(err.Error(), "forged-token") {
			t.Errorf("the caller received too much: %v", err)
		}
		if log := server.log.String(); log != "" {
			t.Errorf("the refusal left a line in the server's log: %s", log)
		}
	})
}

func TestAHandlerRefusesAsTheGuardDoes(t *testing.T) {
	t.Parallel()
	refusal := &auth.Error{Reason: auth.ScopeRequired, Message: "ask for more", Cause: errors.New("cause: only for logs")}
	eachCall(t, func(t *testing.T, protocol string, shape auth.StreamType, option connect.ClientOption) {
		server := newServer(t, newMux(func(context.Context, string) (string, error) {
			return "", fmt.Errorf("handler: %w", refusal)
		}, connectauth.WithGuard(guardtest.NewGuard(nil))))

		_, err := call(t.Context(), h2c(t), server.URL, shape, "hello", option, header("Authorization", "Bearer "+guardtest.GoodToken))
		assertRefusal(t, err, protocol, auth.ScopeRequired, "ask for more")
	})
}

func assertRefusal(t *testing.T, err error, protocol string, want auth.Reason, message string) {
	t.Helper()
	received, isError := errors.AsType[*connect.Error](err)
	if !isError {
		t.Fatalf("error %v; want a refusal", err)
	}
	if got, ok := connectauth.ReasonOf(err); !ok || got != want {
		t.Errorf("reason %v, %t; want %v (%v)", got, ok, want, err)
	}
	if received.Code() != connect.Code(want.Code()) {
		t.Errorf("code %v; want %v", received.Code(), want.Code())
	}
	if received.Message() != message {
		t.Errorf("message %q; want %q", received.Message(), message)
	}
	challenge := auth.NewError(want, nil).Challenge()
	if protocol == connect.ProtocolGRPC {
		challenge = "" // not in HTTP trailers
	}
	if got := received.Meta().Get("WWW-Authenticate"); got != challenge {
		t.Errorf("WWW-Authenticate %q; want %q", got, challenge)
	}
}

func TestAHandlersOtherErrorsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	refusal := auth.NewError(auth.RoleRequired, nil)
	tests := map[string]struct {
		err    error
		code   connect.Code
		reason auth.Reason
		isOurs bool
	}{
		"a plain error is unknown":                             {err: errors.New("broken"), code: connect.CodeUnknown},
		"a connect error keeps its code":                       {err: connect.NewError(connect.CodeAborted, nil), code: connect.CodeAborted},
		"a connect error around a refusal was the choice":      {err: connect.NewError(connect.CodeAborted, refusal), code: connect.CodeAborted},
		"a connect error that caused a refusal was not":        {err: auth.NewError(auth.KeysUnavailable, connect.NewError(connect.CodeAborted, nil)), code: connect.CodeUnavailable, reason: auth.KeysUnavailable, isOurs: true},
		"nor was one that caused it around another refusal":    {err: auth.NewError(auth.KeysUnavailable, connect.NewError(connect.CodeAborted, refusal)), code: connect.CodeUnavailable, reason: auth.KeysUnavailable, isOurs: true},
		"a connect error beside a refusal does not replace it": {err: errors.Join(connect.NewError(connect.CodeAborted, nil), refusal), code: connect.CodePermissionDenied, reason: auth.RoleRequired, isOurs: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, newMux(func(context.Context, string) (string, error) { return "", test.err },
				connectauth.WithGuard(guardtest.NewGuard(nil))))
			_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello", header("Authorization", "Bearer "+guardtest.GoodToken))
			if code := connect.CodeOf(err); code != test.code {
				t.Errorf("code %v; want %v", code, test.code)
			}
			if reason, ok := connectauth.ReasonOf(err); ok != test.isOurs || reason != test.reason {
				t.Errorf("reason %v, %t; want %v, %t", reason, ok, test.reason, test.isOurs)
			}
		})
	}
}

func TestAnInterceptorOnTheServerFindsTheRefusalAndItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("only for logs")
	var seen error
	outer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			seen = err
			return res, err
		}
	})
	server := newServer(t, newMux(func(context.Context, string) (string, error) {
		return "", auth.NewError(auth.RoleRequired, cause)
	}, connect.WithInterceptors(outer), connectauth.WithGuard(guardtest.NewGuard(nil))))

	_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello", header("Authorization", "Bearer "+guardtest.GoodToken))
	assertRefusal(t, err, connect.ProtocolConnect, auth.RoleRequired, auth.RoleRequired.Message())
	if reason, ok := auth.ReasonOf(seen); !ok || reason != auth.RoleRequired || !errors.Is(seen, cause) {
		t.Errorf("the interceptor saw %v; want the refusal with its cause", seen)
	}
}

func TestANilGuardRefusesEveryCall(t *testing.T) {
	t.Parallel()
	for name, guard := range map[string]*auth.Guard{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, newMux(guardtest.WhoCalls, connectauth.WithGuard(guard)))
			_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello", header("Authorization", "Bearer "+guardtest.GoodToken))
			assertRefusal(t, err, connect.ProtocolConnect, auth.AuthFailure, auth.AuthFailure.Message())
		})
	}
}

func TestReasonOfRecognizesOnlyRefusals(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"no error":                       nil,
		"an error of another kind":       errors.New("broken"),
		"a connect error without detail": connect.NewError(connect.CodeUnauthenticated, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if reason, ok := connectauth.ReasonOf(err); ok {
				t.Errorf("ReasonOf = %v, true; want false", reason)
			}
		})
	}
}

func TestTheRuleIsTheRegisteredProceduresWhateverThePath(t *testing.T) {
	t.Parallel()
	var asked string
	guard := guardtest.NewGuard(func(_ context.Context, d auth.Decision) { asked = d.Procedure })
	handler := newMux(guardtest.WhoCalls, connectauth.WithGuard(guard))
	mux := http.NewServeMux()
	mux.HandleFunc("/ostiary.test.v1.PublicService/Unary", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = guardtest.Procedures[auth.Unary] // as a careless router would
		h, _ := handler.Handler(r)
		r.URL.Path = "/ostiary.test.v1.PublicService/Unary"
		h.ServeHTTP(w, r)
	})
	server := newServer(t, mux)
	client := connect.NewClient[text, text](h2c(t), server.URL+"/ostiary.test.v1.PublicService/Unary")
	_, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("hello")))
	assertRefusal(t, err, connect.ProtocolConnect, auth.TokenMissing, auth.TokenMissing.Message())
	if asked != guardtest.Procedures[auth.Unary] {
		t.Errorf("the guard was asked about %s; want %s", asked, guardtest.Procedures[auth.Unary])
	}
}
