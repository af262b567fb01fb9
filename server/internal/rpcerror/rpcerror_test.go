package rpcerror_test

import (
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

func TestBothTransportsSendTheSame(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("wrapped: %w", rpcerror.Invalid("page_size", "ask for 1 to %d", 1000))
	const want = "page_size: ask for 1 to 1000"
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("connect sends %v; want invalid argument", connect.CodeOf(err))
	}
	if got := status.Convert(err); got.Code() != codes.InvalidArgument || got.Message() != "wrapped: "+want {
		t.Errorf("grpc-go sends %v; want invalid argument, %s", got, want)
	}
}
