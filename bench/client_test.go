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
)

// A client has one connection of unencrypted HTTP/2. It is safe for concurrent
// use. An empty token sends none.
type client struct {
	unary  func(ctx context.Context, token string) error
	stream func(ctx context.Context, token, procedure string) (stream, error)
	close  func()
}

// A stream is what the streams of connect-go and grpc-go have in common.
type stream interface {
	Send(*message) error
	CloseSend() error
	Recv() (*message, error)
}

// newClient returns a client of connect-go (which speaks Connect or gRPC), grpc-go
// or net/http.
func newClient(protocol, address string) (client, error) {
	if protocol == "grpc-go" {
		return grpcClient(address)
	}
	url := "http://" + address
	h := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	if protocol == "net/http" {
		unary := func(ctx context.Context, token string) error { return post(ctx, h, url, token) }
		return client{unary: unary, close: h.CloseIdleConnections}, nil
	}
	var options []connect.ClientOption
	if protocol == "gRPC" {
		options = append(options, connect.WithGRPC())
	}
	unary := connect.NewClient[message, message](h, url+unaryProcedure, options...)
	streams := make(map[string]*connect.Client[message, message])
	for _, procedure := range []string{receiveProcedure, sendProcedure} {
		streams[procedure] = connect.NewClient[message, message](h, url+procedure, options...)
	}
	return client{
		unary: func(ctx context.Context, token string) error {
			request := connect.NewRequest(text(quickFox))
			authorize(request.Header(), token)
			_, err := unary.CallUnary(ctx, request)
			return err
		},
		stream: func(ctx context.Context, token, procedure string) (stream, error) {
			s := streams[procedure].CallBidiStream(ctx)
			authorize(s.RequestHeader(), token)
			return connectStream{s}, nil
		},
		close: h.CloseIdleConnections,
	}, nil
}

type connectStream struct {
	*connect.BidiStreamForClient[message, message]
}

func (s connectStream) CloseSend() error        { return s.CloseRequest() }
func (s connectStream) Recv() (*message, error) { return s.Receive() }

func authorize(header http.Header, token string) {
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
}

func grpcClient(address string) (client, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	withToken := func(ctx context.Context, token string) context.Context {
		if token == "" {
			return ctx
		}
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return client{
		unary: func(ctx context.Context, token string) error {
			return connection.Invoke(withToken(ctx, token), unaryProcedure, text(quickFox), new(message))
		},
		stream: func(ctx context.Context, token, procedure string) (stream, error) {
			s, err := connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure)
			return &grpc.GenericClientStream[message, message]{ClientStream: s}, err
		},
		close: func() { _ = connection.Close() },
	}, err
}

func post(ctx context.Context, h *http.Client, url, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(quickFox))
	if err != nil {
		return err
	}
	authorize(request.Header, token)
	response, err := h.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if echo, err := io.ReadAll(response.Body); err != nil || string(echo) != quickFox {
		return errors.Join(fmt.Errorf("answered with %s", response.Status), err)
	}
	return nil
}

// receive opens a stream on which the server sends n messages, or one and then
// waits if n is -1. It calls got after each.
func (c client) receive(ctx context.Context, token string, n int, got func()) error {
	s, err := c.stream(ctx, token, receiveProcedure)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Send(number(n)), s.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return err // io.EOF means that Recv says why
	}
	for received := 0; ; received++ {
		if _, err := s.Recv(); errors.Is(err, io.EOF) {
			return all(received, n)
		} else if err != nil {
			return err
		}
		got()
	}
}

// send opens a stream and sends n messages.
func (c client) send(ctx context.Context, token string, n int) error {
	s, err := c.stream(ctx, token, sendProcedure)
	if err != nil {
		return err
	}
	m := text(quickFox)
	for range n {
		if err := s.Send(m); err != nil {
			break // Recv says why
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	count, err := s.Recv()
	if err != nil {
		return err
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		return err
	}
	return all(numberOf(count), n)
}

// all checks that no message went missing.
func all(got, want int) error {
	if got != want {
		return fmt.Errorf("%d messages went through, want %d", got, want)
	}
	return nil
}
