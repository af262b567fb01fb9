package served

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type connectCaller struct {
	client  *http.Client
	unary   *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue]
	receive *connect.Client[wrapperspb.Int64Value, wrapperspb.StringValue]
	send    *connect.Client[wrapperspb.StringValue, wrapperspb.Int64Value]
	watch   *connect.Client[wrapperspb.Int64Value, wrapperspb.StringValue]
}

func newConnectCaller(address string, options ...connect.ClientOption) *connectCaller {
	client := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	base := "http://" + address
	return &connectCaller{
		client:  client,
		unary:   connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client, base+unaryProcedure, options...),
		receive: connect.NewClient[wrapperspb.Int64Value, wrapperspb.StringValue](client, base+receiveProcedure, options...),
		send:    connect.NewClient[wrapperspb.StringValue, wrapperspb.Int64Value](client, base+sendProcedure, options...),
		watch:   connect.NewClient[wrapperspb.Int64Value, wrapperspb.StringValue](client, base+watchProcedure, options...),
	}
}

func (c *connectCaller) Unary(ctx context.Context, token string) error {
	request := connect.NewRequest(wrapperspb.String(text))
	authorize(request.Header(), token)
	_, err := c.unary.CallUnary(ctx, request)
	return err
}

func (c *connectCaller) Receive(ctx context.Context, token string, messages int) error {
	request := connect.NewRequest(wrapperspb.Int64(int64(messages)))
	authorize(request.Header(), token)
	stream, err := c.receive.CallServerStream(ctx, request)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	received := 0
	for stream.Receive() {
		received++
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return all(received, messages)
}

func (c *connectCaller) Send(ctx context.Context, token string, messages int) error {
	stream := c.send.CallClientStream(ctx)
	authorize(stream.RequestHeader(), token)
	message := wrapperspb.String(text)
	for range messages {
		if err := stream.Send(message); err != nil {
			break // CloseAndReceive says why
		}
	}
	response, err := stream.CloseAndReceive()
	if err != nil {
		return err
	}
	return all(int(response.Msg.GetValue()), messages)
}

func (c *connectCaller) Watch(ctx context.Context, token string) (func() error, error) {
	request := connect.NewRequest(new(wrapperspb.Int64Value))
	authorize(request.Header(), token)
	stream, err := c.watch.CallServerStream(ctx, request)
	if err != nil {
		return nil, err
	}
	if !stream.Receive() {
		return nil, errors.Join(errors.New("the stream ended before its first message"), stream.Err(), stream.Close())
	}
	return func() error {
		defer func() { _ = stream.Close() }()
		for stream.Receive() {
			continue // there is nothing more to come
		}
		return stream.Err()
	}, nil
}

func (c *connectCaller) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

func authorize(header http.Header, token string) {
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
}

// all checks that no message went missing.
func all(got, want int) error {
	if got != want {
		return fmt.Errorf("%d messages went through, want %d", got, want)
	}
	return nil
}
