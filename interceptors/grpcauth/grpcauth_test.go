package grpcauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// ways are the ways to guard a server.
var ways = map[string]func(t *testing.T, guard *auth.Guard, answer guardtest.Handler) string{
	"interceptors": func(t *testing.T, guard *auth.Guard, answer guardtest.Handler) string {
		return newServer(t, func(s *grpc.Server) { s.RegisterService(&echo, answer) }, interceptors(guard)...)
	},
	"gate": func(t *testing.T, guard *auth.Guard, answer guardtest.Handler) string {
		return newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&echo, answer) })
	},
	"gate and interceptors": func(t *testing.T, guard *auth.Guard, answer guardtest.Handler) string {
		return newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&echo, answer) }, interceptors(guard)...)
	},
}

func interceptors(guard *auth.Guard) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(recovery.UnaryServerInterceptor(), grpcauth.UnaryServerInterceptor(guard)),
		grpc.ChainStreamInterceptor(recovery.StreamServerInterceptor(), grpcauth.StreamServerInterceptor(guard)),
	}
}

// eachCall runs test for every way to guard a server and every shape of call.
func eachCall(t *testing.T, test func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string)) {
	t.Helper()
	for name, serve := range ways {
		for shape := range guardtest.Procedures {
			t.Run(name+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				test(t, shape, serve)
			})
		}
	}
}

func TestAnAdmittedCallReachesTheHandlerAfterOneDecision(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string) {
		var seen []auth.Decision
		guard := guardtest.NewGuard(func(_ context.Context, d auth.Decision) { seen = append(seen, d) })
		conn := dial(t, serve(t, guard, guardtest.WhoCalls))

		reply, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, shape, wrapperspb.String("hello"))
		if err != nil || reply != "ada hello" {
			t.Fatalf("reply %q, error %v; want %q", reply, err, "ada hello")
		}
		if len(seen) != 1 {
			t.Fatalf("%d decisions about one call; want 1", len(seen))
		}
		if d := seen[0]; d.Procedure != guardtest.Procedures[shape] || d.Protocol != "grpc" || d.Stream != shape || d.Peer == "" {
			t.Errorf("the guard was asked about %+v", d)
		}
	})
}

func TestARefusedCallNeverReachesTheHandler(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string) {
		conn := dial(t, serve(t, guardtest.NewGuard(nil), guardtest.NeverCalled(t)))

		_, trailer, err := call(bearer(t.Context(), "forged-token"), conn, shape, wrapperspb.String("hello"))
		assertRefusal(t, err, trailer, auth.SignatureInvalid, auth.SignatureInvalid.Message())
		if strings.Contains(err.Error(), "cause") || strings.Contains(err.Error(), "forged-token") {
			t.Errorf("the caller received too much: %v", err)
		}
	})
}

func TestAHandlerRefusesAsTheGuardDoes(t *testing.T) {
	t.Parallel()
	refusal := &auth.Error{Reason: auth.ScopeRequired, Message: "ask for more", Cause: errors.New("cause: only for logs")}
	eachCall(t, func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string) {
		conn := dial(t, serve(t, guardtest.NewGuard(nil), func(context.Context, string) (string, error) {
			return "", fmt.Errorf("handler: %w", refusal)
		}))
		_, trailer, err := call(bearer(t.Context(), guardtest.GoodToken), conn, shape, wrapperspb.String("hello"))
		assertRefusal(t, err, trailer, auth.ScopeRequired, "ask for more")
	})
}

func assertRefusal(t *testing.T, err error, trailer metadata.MD, want auth.Reason, message string) {
	t.Helper()
	if got, ok := grpcauth.ReasonOf(err); !ok || got != want {
		t.Fatalf("reason %v, %t; want %v (%v)", got, ok, want, err)
	}
	received := status.Convert(err)
	if received.Code() != codes.Code(want.Code()) || received.Message() != message {
		t.Errorf("status %v %q; want %v %q", received.Code(), received.Message(), want.Code(), message)
	}
	var challenge []string
	if c := auth.NewError(want, nil).Challenge(); c != "" {
		challenge = []string{c}
	}
	if got := trailer.Get("www-authenticate"); !slices.Equal(got, challenge) {
		t.Errorf("www-authenticate %q; want %q", got, challenge)
	}
}

func TestAHandlersOtherErrorsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	refusal := auth.NewError(auth.RoleRequired, nil)
	aborted := status.Error(codes.Aborted, "try again")
	tests := map[string]struct {
		err    error
		code   codes.Code
		reason auth.Reason
		isOurs bool
	}{
		"a plain error is unknown":                      {err: errors.New("broken"), code: codes.Unknown},
		"a status keeps its code":                       {err: aborted, code: codes.Aborted},
		"a status around a refusal was the choice":      {err: &chosenError{refusal}, code: codes.Aborted},
		"a status that caused a refusal was not":        {err: auth.NewError(auth.KeysUnavailable, aborted), code: codes.Unavailable, reason: auth.KeysUnavailable, isOurs: true},
		"nor was one that caused it around another":     {err: auth.NewError(auth.KeysUnavailable, &chosenError{refusal}), code: codes.Unavailable, reason: auth.KeysUnavailable, isOurs: true},
		"a status beside a refusal does not replace it": {err: errors.Join(aborted, refusal), code: codes.PermissionDenied, reason: auth.RoleRequired, isOurs: true},
	}
	for name, test := range tests {
		for way, serve := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, serve(t, guardtest.NewGuard(nil), func(context.Context, string) (string, error) { return "", test.err }))
				_, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
				if code := status.Code(err); code != test.code {
					t.Errorf("code %v; want %v", code, test.code)
				}
				if reason, ok := grpcauth.ReasonOf(err); ok != test.isOurs || reason != test.reason {
					t.Errorf("reason %v, %t; want %v, %t", reason, ok, test.reason, test.isOurs)
				}
			})
		}
	}
}

type chosenError struct{ error }

func (c *chosenError) Unwrap() error              { return c.error }
func (c *chosenError) GRPCStatus() *status.Status { return status.New(codes.Aborted, "try again") }

func TestAnInterceptorOnTheServerFindsTheRefusalAndItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("only for logs")
	var seen error
	outer := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		res, err := next(ctx, req)
		seen = err
		return res, err
	}
	conn := dial(t, newServer(t, func(s *grpc.Server) {
		s.RegisterService(&echo, guardtest.Handler(func(context.Context, string) (string, error) { return "", auth.NewError(auth.RoleRequired, cause) }))
	}, grpc.ChainUnaryInterceptor(outer, grpcauth.UnaryServerInterceptor(guardtest.NewGuard(nil)))))

	_, trailer, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
	assertRefusal(t, err, trailer, auth.RoleRequired, auth.RoleRequired.Message())
	if reason, ok := auth.ReasonOf(seen); !ok || reason != auth.RoleRequired || !errors.Is(seen, cause) {
		t.Errorf("the interceptor saw %v; want the refusal with its cause", seen)
	}
	if want := auth.NewError(auth.RoleRequired, cause).Error(); seen == nil || seen.Error() != want {
		t.Errorf("a log would read %v; want %q", seen, want)
	}
}

func TestANilGuardRefusesEveryCall(t *testing.T) {
	t.Parallel()
	eachCall(t, func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string) {
		conn := dial(t, serve(t, nil, guardtest.NeverCalled(t)))
		_, trailer, err := call(bearer(t.Context(), guardtest.GoodToken), conn, shape, wrapperspb.String("hello"))
		assertRefusal(t, err, trailer, auth.AuthFailure, auth.AuthFailure.Message())
	})
}

func TestReasonOfRecognizesOnlyRefusals(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"no error":                 nil,
		"an error of another kind": errors.New("broken"),
		"a status without detail":  status.Error(codes.Unauthenticated, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if reason, ok := grpcauth.ReasonOf(err); ok {
				t.Errorf("ReasonOf = %v, true; want false", reason)
			}
		})
	}
}

func TestAMalformedPathReachesNoHandler(t *testing.T) {
	t.Parallel()
	for way, serve := range ways {
		for _, path := range []string{
			guardtest.Service + "/Unary",
			"//" + guardtest.Service + "/Unary",
			"/" + guardtest.Service + "/Unary/",
			"/" + guardtest.Service + "/unary",
			"/" + guardtest.Service + "/Unary?x=1",
			"/" + guardtest.Service + "%2FUnary",
			"http://localhost/" + guardtest.Service + "/Unary",
		} {
			t.Run(way+" "+path, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, serve(t, guardtest.NewGuard(nil), guardtest.NeverCalled(t)))
				err := conn.Invoke(bearer(t.Context(), guardtest.GoodToken), path, wrapperspb.String("hello"), new(text))
				if status.Code(err) != codes.Unimplemented {
					t.Errorf("error %v; want code Unimplemented", err)
				}
			})
		}
	}
}
