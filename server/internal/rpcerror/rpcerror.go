// Package rpcerror makes errors that both transports send with their code, so
// that one implementation of a method serves Connect and grpc-go:
//
//	return nil, rpcerror.New(connect.CodeNotFound, "session_id: no such session")
//
// Refusals are not made here: they are *auth.Errors.
package rpcerror

import (
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callError carries its code to both: connect finds the *connect.Error in it,
// grpc-go asks it for its status.
type callError struct{ err *connect.Error }

// New returns an error with a code and the message that the caller reads. The
// format is that of fmt.Errorf.
func New(code connect.Code, format string, args ...any) error {
	return callError{connect.NewError(code, fmt.Errorf(format, args...))}
}

// Invalid returns INVALID_ARGUMENT, and says what is wrong with a field of the
// request.
func Invalid(field, format string, args ...any) error {
	return New(connect.CodeInvalidArgument, "%s: %s", field, fmt.Sprintf(format, args...))
}

func (e callError) Error() string { return e.err.Message() }
func (e callError) Unwrap() error { return e.err }

// GRPCStatus is what grpc-go looks for.
func (e callError) GRPCStatus() *status.Status {
	return status.New(codes.Code(e.err.Code()), e.err.Message())
}
