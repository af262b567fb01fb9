package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A client has one connection of unencrypted HTTP/2. It is safe for concurrent
// use. An empty token sends none.
type client interface {
	unary(ctx context.Context, token string) error
	// receive calls got after each message that it receives. n is that of the
	// Receive method.
	receive(ctx context.Context, token string, n int, got func()) error
	send(ctx context.Context, token string, n int) error
	close()
}

// newClient returns a client of connect-go, grpc-go or net/http.
func newClient(protocol, address string) (client, error) {
	if protocol == "grpc-go" {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		return grpcClient{connection}, err
	}
	client, url := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}, "http://"+address
	if protocol == "net-http" {
		return httpClient{client, url}, nil
	}
	var options []connect.ClientOption
	if protocol == "gRPC" {
		options = append(options, connect.WithGRPC())
	}
	return connectClient{
		httpClient{client, url},
		connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client, url+unaryProcedure, options...),
		connect.NewClient[wrapperspb.Int64Value, wrapperspb.StringValue](client, url+receiveProcedure, options...),
		connect.NewClient[wrapperspb.StringValue, wrapperspb.Int64Value](client, url+sendProcedure, options...),
	}, nil
}

type connectClient struct {
	httpClient

	unaries  *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue]
	receives *connect.Client[wrapperspb.Int64Value, wrapperspb.StringValue]
	sends    *connect.Client[wrapperspb.StringValue, wrapperspb.Int64Value]
}

func (c connectClient) unary(ctx context.Context, token string) error {
	request := connect.NewRequest(wrapperspb.String(text))
	authorize(request.Header(), token)
	_, err := c.unaries.CallUnary(ctx, request)
	return err
}

func (c connectClient) receive(ctx context.Context, token string, n int, got func()) error {
	request := connect.NewRequest(wrapperspb.Int64(int64(n)))
	authorize(request.Header(), token)
	stream, err := c.receives.CallServerStream(ctx, request)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	received := 0
	for ; stream.Receive(); received++ {
		got()
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return all(received, n)
}

func (c connectClient) send(ctx context.Context, token string, n int) error {
	stream := c.sends.CallClientStream(ctx)
	authorize(stream.RequestHeader(), token)
	message := wrapperspb.String(text)
	for range n {
		if err := stream.Send(message); err != nil {
			break // CloseAndReceive says why
		}
	}
	response, err := stream.CloseAndReceive()
	if err != nil {
		return err
	}
	return all(int(response.Msg.GetValue()), n)
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

type grpcClient struct{ connection *grpc.ClientConn }

func (c grpcClient) unary(ctx context.Context, token string) error {
	return c.connection.Invoke(withToken(ctx, token), unaryProcedure, wrapperspb.String(text), new(wrapperspb.StringValue))
}

func (c grpcClient) receive(ctx context.Context, token string, n int, got func()) error {
	stream, err := c.connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ServerStreams: true}, receiveProcedure)
	if err == nil {
		err = errors.Join(stream.SendMsg(wrapperspb.Int64(int64(n))), stream.CloseSend())
	}
	if err != nil {
		return err
	}
	for received := 0; ; received++ {
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); errors.Is(err, io.EOF) {
			return all(received, n)
		} else if err != nil {
			return err
		}
		got()
	}
}

func (c grpcClient) send(ctx context.Context, token string, n int) error {
	stream, err := c.connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ClientStreams: true}, sendProcedure)
	if err != nil {
		return err
	}
	message := wrapperspb.String(text)
	for range n {
		if err := stream.SendMsg(message); err != nil {
			break // RecvMsg says why
		}
	}
	count := new(wrapperspb.Int64Value)
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(count)); err != nil {
		return err
	}
	return all(int(count.GetValue()), n)
}

func (c grpcClient) close() { _ = c.connection.Close() }

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

type httpClient struct {
	*http.Client

	url string
}

func (c httpClient) unary(ctx context.Context, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(text))
	if err != nil {
		return err
	}
	authorize(request.Header, token)
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if echo, err := io.ReadAll(response.Body); err != nil || string(echo) != text {
		return errors.Join(fmt.Errorf("answered with %s", response.Status), err)
	}
	return nil
}

func (httpClient) receive(context.Context, string, int, func()) error { return errors.ErrUnsupported }
func (httpClient) send(context.Context, string, int) error            { return errors.ErrUnsupported }
func (c httpClient) close()                                           { c.CloseIdleConnections() }
