package server

import (
	"errors"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// detailOf returns the detail of a type in the error of either transport's client; nil
// if it has none.
func detailOf[D proto.Message](err error) D {
	var none D
	var received *connect.Error
	if errors.As(err, &received) {
		for _, detail := range received.Details() {
			value, _ := detail.Value() // nil for a type that is not linked in
			if found, ok := value.(D); ok {
				return found
			}
		}
		return none
	}
	for _, detail := range status.Convert(err).Details() {
		if found, ok := detail.(D); ok {
			return found
		}
	}
	return none
}

func errorInfoOf(t *testing.T, err error) *errdetails.ErrorInfo {
	t.Helper()
	return detailOf[*errdetails.ErrorInfo](err)
}

// violationsOf returns the fields that an INVALID_REQUEST names; nil for any other
// error.
func violationsOf(t *testing.T, err error) []string {
	t.Helper()
	if connect.CodeOf(err) != connect.CodeInvalidArgument || errorInfoOf(t, err).GetReason() != "INVALID_REQUEST" {
		return nil
	}
	var fields []string
	for _, violation := range detailOf[*errdetails.BadRequest](err).GetFieldViolations() {
		fields = append(fields, violation.GetField())
	}
	return fields
}
