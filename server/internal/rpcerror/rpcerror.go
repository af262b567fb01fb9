// Package rpcerror makes errors that both transports send with their code, their
// message and their details, so that one implementation of a method serves Connect
// and grpc-go:
//
//	return nil, rpcerror.New(errorv1.Reason_REASON_SESSION_NOT_FOUND)
//
// The code and the default message of a reason are options of its value in the
// schema. What is wrong with a request is collected, so that the caller learns all of
// it at once:
//
//	var faults rpcerror.Violations
//	if req.GetPageSize() < 0 {
//		faults.Add("page_size", "must not be negative; leave it out for the default")
//	}
//	if err := faults.Err(); err != nil {
//		return nil, err
//	}
//
// Refusals are not made here: they are *auth.Errors.
package rpcerror

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logtext"
)

// An Option adds to an error, or changes its message.
type Option func(*callError)

// Message replaces the default message of the reason. It is sent to the caller, and
// should say what to do. The format is that of fmt.Sprintf.
func Message(format string, args ...any) Option {
	return func(e *callError) { e.message = fmt.Sprintf(format, args...) }
}

// RetryAfter adds a google.rpc.RetryInfo: the caller should wait for so long before it
// retries.
func RetryAfter(d time.Duration) Option {
	return detail(&errdetails.RetryInfo{RetryDelay: durationpb.New(d)})
}

// Stopping ends streams when the server stops. Another instance may serve them.
func Stopping() error { return New(errorv1.Reason_REASON_SERVER_STOPPING, RetryAfter(time.Second)) }

// Cause adds what the log shows of the error. It is not sent, and errors.Is and
// errors.As do not find it.
func Cause(err error) Option {
	return func(e *callError) { e.cause = err }
}

func detail(message proto.Message) Option {
	return func(e *callError) { e.details = append(e.details, message) }
}

// New returns an error with a reason. Its code is that of the reason, and so is its
// message by default. It carries a google.rpc.ErrorInfo with the reason, and a
// google.rpc.Help that links to what can be done. A reason that the schema does not
// describe, such as REASON_UNSPECIFIED, is INTERNAL.
func New(reason errorv1.Reason, options ...Option) error {
	known := reasons[reason]
	e := &callError{code: codes.Internal, reason: nameOf(reason), message: known.GetMessage()}
	if known != nil {
		e.code = codes.Code(known.GetCode()) //nolint:gosec // an enum of small numbers
	}
	e.details = []proto.Message{&errdetails.ErrorInfo{Reason: e.reason, Domain: auth.ErrorDomain}, auth.HelpFor(e.reason)}
	return e.with(options)
}

// WithCode returns an error that has a code, but no reason, for protocols that are not
// ostiary's own, such as that of health checks.
func WithCode(code connect.Code, options ...Option) error {
	return (&callError{code: codes.Code(code)}).with(options)
}

// ReasonOf returns the reason of an error that was made here, and whether it has one.
func ReasonOf(err error) (errorv1.Reason, bool) {
	var e *callError
	if !errors.As(err, &e) || e.reason == "" {
		return errorv1.Reason_REASON_UNSPECIFIED, false
	}
	return errorv1.Reason(errorv1.Reason_value["REASON_"+e.reason]), true
}

func nameOf(reason errorv1.Reason) string { return strings.TrimPrefix(reason.String(), "REASON_") }

// reasons has the options of each reason in the schema.
var reasons = func() map[errorv1.Reason]*errorv1.ReasonDetail {
	all := make(map[errorv1.Reason]*errorv1.ReasonDetail)
	values := errorv1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		if known, _ := proto.GetExtension(values.Get(i).Options(), errorv1.E_ReasonDetail).(*errorv1.ReasonDetail); known != nil {
			all[errorv1.Reason(values.Get(i).Number())] = known
		}
	}
	return all
}()

// callError carries the same to both: connect finds the *connect.Error in it, grpc-go
// asks it for its status.
type callError struct {
	code    codes.Code
	reason  string // empty for none
	message string
	details []proto.Message
	cause   error // may be nil
	connect *connect.Error
}

// with applies the options and completes the error.
func (e *callError) with(options []Option) *callError {
	for _, option := range options {
		option(e)
	}
	e.connect = connect.NewError(connect.Code(e.code), sentence(e.message))
	for _, message := range e.details {
		if detail, err := connect.NewErrorDetail(message); err == nil {
			e.connect.AddDetail(detail)
		}
	}
	return e
}

type sentence string

func (s sentence) Error() string { return string(s) }

// Error returns the message that the caller reads.
func (e *callError) Error() string { return e.message }

// Unwrap returns what connect looks for.
func (e *callError) Unwrap() error { return e.connect }

// GRPCStatus returns what grpc-go looks for.
func (e *callError) GRPCStatus() *status.Status {
	plain := status.New(e.code, e.message)
	details := make([]protoadapt.MessageV1, len(e.details))
	for i, message := range e.details {
		details[i] = protoadapt.MessageV1Of(message)
	}
	if detailed, err := plain.WithDetails(details...); err == nil {
		return detailed
	}
	return plain
}

// LogValue gives logs the reason and the cause, as that of *auth.Error does. Without a cause
// it is what the caller reads.
func (e *callError) LogValue() slog.Value {
	var attrs []slog.Attr
	if e.reason != "" {
		attrs = append(attrs, slog.String("reason", e.reason))
	}
	cause := logtext.Bounded(e.message)
	if e.cause != nil {
		cause = e.cause.Error()
	}
	return slog.GroupValue(append(attrs, slog.String("cause", cause))...)
}
