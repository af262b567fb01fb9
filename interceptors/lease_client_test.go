package interceptors_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// A leaseTransport is a way to call a leaseServer.
type leaseTransport struct {
	name    string
	methods []string
	// start serves, and returns how to call the stream.
	start func(t *testing.T, h *leaseServer, method string) leaseClient
}

// A leaseClient opens one stream.
type leaseClient struct {
	// run opens the stream and returns the error that it ends with. The client
	// says hello and then no more, without closing its side.
	run      func(ctx context.Context) error
	reasonOf func(error) (auth.Reason, bool)
	codeOf   func(error) auth.Code
	advice   func(error) (authclient.Advice, time.Duration)
}

func untilTheEnd(receive func() error) error {
	for {
		if err := receive(); err != nil {
			return err
		}
	}
}

func leaseTransports() []leaseTransport {
	all := []string{clientStream, serverStream, bidiStream}
	transports := []leaseTransport{{name: "grpc-go", methods: all, start: startGRPC}}
	for _, protocol := range []struct {
		name    string
		options []connect.ClientOption
		http1   bool
	}{
		{name: connect.ProtocolConnect, http1: true},
		{name: connect.ProtocolGRPC, options: []connect.ClientOption{connect.WithGRPC()}},
		{name: connect.ProtocolGRPCWeb, options: []connect.ClientOption{connect.WithGRPCWeb()}, http1: true},
	} {
		versions := map[string][]string{"HTTP 2": all}
		if protocol.http1 {
			versions["HTTP 1.1"] = []string{clientStream, serverStream}
		}
		for version, methods := range versions {
			transports = append(transports, leaseTransport{
				name:    "connect-go, " + protocol.name + ", " + version,
				methods: methods,
				start: func(t *testing.T, h *leaseServer, method string) leaseClient {
					t.Helper()
					url := serveHTTP(t, connectauth.Abortable(h.mux()))
					return h.newClient(newHTTPClient(t, version), url, method, protocol.options...)
				},
			})
		}
	}
	return transports
}

func (h *leaseServer) newClient(client connect.HTTPClient, url, method string, options ...connect.ClientOption) leaseClient {
	rpc := connect.NewClient[text, text](client, url+procedure(leases, method), options...)
	return leaseClient{
		run: func(ctx context.Context) error {
			conn, err := connectConn(ctx, rpc, method, h.timeout)
			if err != nil {
				return err
			}
			defer func() { _ = errors.Join(conn.CloseRequest(), conn.CloseResponse()) }()
			if h.unread {
				<-ctx.Done()
				return ctx.Err()
			}
			return untilTheEnd(func() error { return conn.Receive(new(text)) })
		},
		reasonOf: connectauth.ReasonOf,
		codeOf:   func(err error) auth.Code { return auth.Code(connect.CodeOf(err)) },
		advice:   connectauth.RetryAdvice,
	}
}

func connectConn(ctx context.Context, rpc *connect.Client[text, text], method string, header http.Header) (connect.StreamingClientConn, error) {
	hello := wrapperspb.String("hello")
	switch method {
	case clientStream:
		stream := rpc.CallClientStream(ctx)
		maps.Copy(stream.RequestHeader(), header)
		_ = stream.Send(hello) // where it fails, the end says why
		return stream.Conn()
	case serverStream:
		req := connect.NewRequest(hello)
		maps.Copy(req.Header(), header)
		stream, err := rpc.CallServerStream(ctx, req)
		if err != nil {
			return nil, err
		}
		return stream.Conn()
	default:
		stream := rpc.CallBidiStream(ctx)
		maps.Copy(stream.RequestHeader(), header)
		_ = stream.Send(hello) // where it fails, the end says why
		return stream.Conn()
	}
}

func startGRPC(t *testing.T, h *leaseServer, method string) leaseClient {
	t.Helper()
	server := grpc.NewServer(grpc.StreamInterceptor(grpcauth.StreamServerInterceptor(h.guard)))
	h.register(server)
	conn := dialGRPC(t, guardtest.Serve(t, server))
	desc := &grpc.StreamDesc{ClientStreams: method != serverStream, ServerStreams: method != clientStream}
	return leaseClient{
		run: func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := conn.NewStream(ctx, desc, procedure(leases, method))
			if err != nil {
				return err
			}
			_ = stream.SendMsg(wrapperspb.String("hello")) // where it fails, the end says why
			if h.unread {
				<-ctx.Done()
				return ctx.Err()
			}
			return untilTheEnd(func() error { return stream.RecvMsg(new(text)) })
		},
		reasonOf: grpcauth.ReasonOf,
		codeOf:   func(err error) auth.Code { return auth.Code(status.Code(err)) },
		advice:   grpcauth.RetryAdvice,
	}
}
