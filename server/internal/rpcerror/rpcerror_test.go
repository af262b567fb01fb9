package rpcerror_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// sent is what a caller gets.
type sent struct {
	code    codes.Code
	message string
	details []proto.Message
}

// transports send an error as each transport does.
var transports = map[string]func(*testing.T, error) sent{
	"connect": func(t *testing.T, err error) sent {
		t.Helper()
		var found *connect.Error
		if !errors.As(err, &found) {
			t.Fatalf("connect finds nothing to send in %v", err)
		}
		got := sent{code: codes.Code(found.Code()), message: found.Message()}
		for _, detail := range found.Details() {
			value, err := detail.Value()
			if err != nil {
				t.Fatal(err)
			}
			got.details = append(got.details, value)
		}
		return got
	},
	"grpc-go": func(t *testing.T, err error) sent {
		t.Helper()
		found := status.Convert(err)
		got := sent{code: found.Code(), message: found.Message()}
		for _, detail := range found.Details() {
			value, ok := detail.(proto.Message)
			if !ok {
				t.Fatalf("a detail is a %T", detail)
			}
			got.details = append(got.details, value)
		}
		return got
	},
}

func info(reason string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Domain: auth.ErrorDomain, Reason: reason}
}

func TestBothTransportsSendTheSame(t *testing.T) {
	t.Parallel()
	var faults rpcerror.Violations
	faults.Add("page_size", "ask for at most %d", 1000)
	faults.Add("target", "missing")
	tests := map[string]struct {
		err  error
		want sent
	}{
		"a reason with its own message": {
			rpcerror.New(errorv1.Reason_REASON_SESSION_NOT_FOUND),
			sent{codes.NotFound, "there is no such session, or you may not see it; list those that you may see with ListSessions", []proto.Message{info("SESSION_NOT_FOUND"), auth.HelpFor("SESSION_NOT_FOUND")}},
		},
		"a reason with another message": {
			rpcerror.New(errorv1.Reason_REASON_SESSION_NOT_FOUND, rpcerror.Message("100%% of %d", 3)),
			sent{codes.NotFound, "100% of 3", []proto.Message{info("SESSION_NOT_FOUND"), auth.HelpFor("SESSION_NOT_FOUND")}},
		},
		"a reason to retry": {
			rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.RetryAfter(time.Second), rpcerror.Cause(errors.New("disk full"))),
			sent{
				codes.Unavailable, "the server cannot use its store now; try again shortly",
				[]proto.Message{info("STORE_UNAVAILABLE"), auth.HelpFor("STORE_UNAVAILABLE"), &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
			},
		},
		"violations": {
			faults.Err(),
			sent{
				codes.InvalidArgument, "page_size: ask for at most 1000; target: missing",
				[]proto.Message{info("INVALID_REQUEST"), auth.HelpFor("INVALID_REQUEST"), &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
					{Field: "page_size", Description: "ask for at most 1000"}, {Field: "target", Description: "missing"},
				}}},
			},
		},
		"a code of another protocol": {
			rpcerror.WithCode(connect.CodeUnimplemented, rpcerror.Message("watch elsewhere")),
			sent{codes.Unimplemented, "watch elsewhere", nil},
		},
		"no reason is our own fault": {
			rpcerror.New(errorv1.Reason_REASON_UNSPECIFIED),
			sent{codes.Internal, "", []proto.Message{info("UNSPECIFIED"), auth.HelpFor("UNSPECIFIED")}},
		},
	}
	for name, test := range tests {
		for transport, send := range transports {
			t.Run(name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				got := send(t, test.err)
				if got.code != test.want.code || got.message != test.want.message {
					t.Errorf("sent %v, %q; want %v, %q", got.code, got.message, test.want.code, test.want.message)
				}
				if len(got.details) != len(test.want.details) {
					t.Fatalf("details %v; want %v", got.details, test.want.details)
				}
				for i, detail := range got.details {
					if !proto.Equal(detail, test.want.details[i]) {
						t.Errorf("detail %v; want %v", detail, test.want.details[i])
					}
				}
			})
		}
	}
}

func TestEveryReasonOfTheSchemaHasItsCodeAndMessage(t *testing.T) {
	t.Parallel()
	values := errorv1.Reason(0).Descriptor().Values()
	for i := 1; i < values.Len(); i++ {
		reason := errorv1.Reason(values.Get(i).Number())
		for transport, send := range transports {
			got := send(t, fmt.Errorf("wrapped: %w", rpcerror.New(reason)))
			if guards, ok := auth.ParseReason(strings.TrimPrefix(reason.String(), "REASON_")); ok && got.code != codes.Code(guards.Code()) {
				t.Errorf("%s sends %v with %v; the guard sends %v", transport, reason, got.code, guards.Code())
			}
			if got.code == codes.OK || got.code == codes.Unknown || got.message == "" || len(got.details) != 2 {
				t.Errorf("%s sends %v as %+v", transport, reason, got)
			}
		}
		if got, ok := rpcerror.ReasonOf(rpcerror.New(reason)); got != reason || !ok {
			t.Errorf("ReasonOf returns %v, %v; want %v", got, ok, reason)
		}
	}
	if _, ok := rpcerror.ReasonOf(rpcerror.WithCode(connect.CodeNotFound)); ok {
		t.Error("an error without a reason has one")
	}
}

func TestNoViolationIsNoError(t *testing.T) {
	t.Parallel()
	var faults rpcerror.Violations
	if err := faults.Err(); err != nil {
		t.Errorf("%v; want nil", err)
	}
}

func TestManyViolationsFitIntoHeaders(t *testing.T) {
	t.Parallel()
	var faults rpcerror.Violations
	for i := range 1000 {
		faults.Add(fmt.Sprintf("revocations[%d].target.session.issuer", i), "missing; write the issuer of the session's tokens")
	}
	for transport, send := range transports {
		got := send(t, faults.Err())
		size := len(got.message)
		for _, detail := range got.details {
			size += proto.Size(detail)
		}
		if !strings.HasSuffix(got.message, "; and 997 more") || size > 4<<10 {
			t.Errorf("%s sends %d bytes, and says %q", transport, size, got.message)
		}
	}
}

func TestTheCauseIsForTheLogAlone(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	err := rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.Cause(cause))
	if errors.Is(err, cause) || strings.Contains(fmt.Sprintf("%v %+v", err, err), cause.Error()) {
		t.Errorf("%+v shows its cause", err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("call", "error", err)
	if got := log.String(); !strings.Contains(got, `error.reason=STORE_UNAVAILABLE error.cause="disk full"`) {
		t.Errorf("the log has %s", got)
	}
}
