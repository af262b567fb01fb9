package connectauth

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/internal/decodefault"
)

// StrictJSON refuses requests in JSON with a field that the method does not have,
// instead of ignoring the field, as connect-go does. A misspelt field then fails, and
// does not pass for one that was left out. Use it where leaving out a field has
// consequences. Clients with a newer schema than the server's can no longer send its
// new fields.
//
// It applies to every message of unary calls, of GET requests and of streams, in each
// protocol that carries JSON. Answers are not affected, and unknown fields of binary
// messages are not either. Give it before [WithGuard], or a condition sees an empty
// message in place of one that is not valid.
//
// refuse makes the error that the caller gets, also for JSON and for binary messages that
// cannot be read at all. It is called by many goroutines at once. The text of the fault
// is for the caller: it says what is wrong with the message, and where. If refuse is nil,
// the error is [connect.CodeInvalidArgument] with that text.
func StrictJSON(refuse func(fault error) error) connect.HandlerOption {
	if refuse == nil {
		refuse = func(fault error) error { return connect.NewError(connect.CodeInvalidArgument, fault) }
	}
	return connect.WithHandlerOptions(
		connect.WithCodec(strictJSON{"json"}),
		connect.WithCodec(strictJSON{"json; charset=utf-8"}),
		connect.WithCodec(binary{}),
		connect.WithInterceptors(codecFaults{refuse}),
	)
}

// strictJSON is connect's own codec for JSON, but for unknown fields.
//
// An error of a codec is sent with a code and a text of connect's choice, and no
// interceptor sees it. So Unmarshal does not fail for JSON that is not valid: it leaves
// the message empty but for the fault, which codecFaults finds before the handler runs.
type strictJSON struct{ name string }

func (c strictJSON) Name() string { return c.name }

func (c strictJSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (strictJSON) MarshalAppend(to []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a proto.Message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(to, m)
}

func (strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a proto.Message", message)
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		decodefault.Set(m, err)
	}
	return nil
}

// binary is connect's own codec for binary messages, but for the error of one that cannot
// be read: connect's names types of Go.
type binary struct{}

func (binary) Name() string { return "proto" }

func (c binary) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (binary) MarshalAppend(to []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a proto.Message", message)
	}
	return proto.MarshalOptions{}.MarshalAppend(to, m)
}

func (binary) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a proto.Message", message)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		decodefault.Set(m, err)
	}
	return nil
}

// codecFaults refuses the messages that the codecs could not read.
type codecFaults struct{ refuse func(error) error }

func (f codecFaults) check(message any) error {
	if fault := decodefault.Of(message); fault != nil {
		return f.refuse(fault)
	}
	return nil
}

func (f codecFaults) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := f.check(req.Any()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (f codecFaults) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return next(ctx, &checkedConn{StreamingHandlerConn: conn, check: f.check})
	}
}

func (f codecFaults) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// checkedConn is a stream that ends with the first message that is not valid.
type checkedConn struct {
	connect.StreamingHandlerConn

	check func(message any) error
	fault error
}

func (c *checkedConn) Receive(message any) error {
	if c.fault != nil {
		return c.fault
	}
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	c.fault = c.check(message)
	return c.fault
}
