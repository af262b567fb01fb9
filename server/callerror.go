package server

import (
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A callError is an error that both transports send with its code, so that one
// implementation serves both: connect finds the *connect.Error in it, grpc-go
// asks it for its status. Refusals are no callErrors but *auth.Errors.
type callError struct{ err *connect.Error }

func callErrorf(code connect.Code, format string, args ...any) error {
	return callError{connect.NewError(code, fmt.Errorf(format, args...))}
}

// invalid says what is wrong with a field of the request.
func invalid(field, format string, args ...any) error {
	return callErrorf(connect.CodeInvalidArgument, "%s: %s", field, fmt.Sprintf(format, args...))
}

func (e callError) Error() string { return e.err.Message() }
func (e callError) Unwrap() error { return e.err }

// GRPCStatus is what grpc-go looks for.
func (e callError) GRPCStatus() *status.Status {
	return status.New(codes.Code(e.err.Code()), e.err.Message())
}
