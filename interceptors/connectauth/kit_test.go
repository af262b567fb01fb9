package connectauth_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type text = wrapperspb.StringValue

// newMux serves the four shapes of a call.
func newMux(answer guardtest.Handler, options ...connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(guardtest.Procedures[auth.Unary], connect.NewUnaryHandlerSimple(guardtest.Procedures[auth.Unary],
		func(ctx context.Context, in *text) (*text, error) {
			reply, err := answer(ctx, in.GetValue())
			return wrapperspb.String(reply), err
		}, options...))
	mux.Handle(guardtest.Procedures[auth.ClientStream], connect.NewClientStreamHandlerSimple(guardtest.Procedures[auth.ClientStream],
		func(ctx context.Context, in *connect.ClientStream[text]) (*text, error) {
			in.Receive()
			reply, err := answer(ctx, in.Msg().GetValue())
			return wrapperspb.String(reply), err
		}, options...))
	mux.Handle(guardtest.Procedures[auth.ServerStream], connect.NewServerStreamHandlerSimple(guardtest.Procedures[auth.ServerStream],
		func(ctx context.Context, in *text, out *connect.ServerStream[text]) error {
			reply, err := answer(ctx, in.GetValue())
			if err != nil {
				return err
			}
			return out.Send(wrapperspb.String(reply))
		}, options...))
	mux.Handle(guardtest.Procedures[auth.BidiStream], connect.NewBidiStreamHandler(guardtest.Procedures[auth.BidiStream],
		func(ctx context.Context, stream *connect.BidiStream[text, text]) error {
			in, err := stream.Receive()
			if err != nil {
				return err
			}
			reply, err := answer(ctx, in.GetValue())
			if err != nil {
				return err
			}
			return stream.Send(wrapperspb.String(reply))
		}, options...))
	return mux
}

// A server speaks HTTP/1.1 and HTTP/2 in plaintext on loopback, or TLS.
type server struct {
	*httptest.Server

	log guardtest.Log
}

func newServer(t *testing.T, handler http.Handler) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ErrorLog = log.New(&s.log, "", 0)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func newTLSServer(t *testing.T, handler http.Handler) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ErrorLog = log.New(&s.log, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// h2c returns a client that speaks HTTP/2 in plaintext.
func h2c(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// call makes one call of the given shape and returns the reply.
func call(ctx context.Context, client connect.HTTPClient, url string, shape auth.StreamType, message string, options ...connect.ClientOption) (string, error) {
	rpc := connect.NewClient[text, text](client, url+guardtest.Procedures[shape], options...)
	in := wrapperspb.String(message)
	switch shape {
	case auth.ClientStream:
		stream := rpc.CallClientStream(ctx)
		if err := stream.Send(in); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		res, err := stream.CloseAndReceive()
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	case auth.ServerStream:
		stream, err := rpc.CallServerStream(ctx, connect.NewRequest(in))
		if err != nil {
			return "", err
		}
		defer func() { _ = stream.Close() }()
		stream.Receive()
		return stream.Msg().GetValue(), stream.Err()
	case auth.BidiStream:
		stream := rpc.CallBidiStream(ctx)
		defer func() { _ = stream.CloseResponse() }()
		if err := stream.Send(in); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		_ = stream.CloseRequest()
		out, err := stream.Receive()
		return out.GetValue(), err
	default:
		res, err := rpc.CallUnary(ctx, connect.NewRequest(in))
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	}
}

// header is a client option that sets one header, as a careless caller would.
func header(name, value string) connect.ClientOption {
	return connect.WithInterceptors(&setHeader{name: name, value: value})
}

type setHeader struct{ name, value string }

func (h *setHeader) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		req.Header().Set(h.name, h.value)
		return next(ctx, req)
	}
}

func (h *setHeader) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set(h.name, h.value)
		return conn
	}
}

func (h *setHeader) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
