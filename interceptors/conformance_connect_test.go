package interceptors_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

type text = wrapperspb.StringValue

// connectTransports are the protocols that connect-go speaks, over the versions
// of HTTP that each can do with.
func connectTransports() []transport {
	protocols := []struct {
		name    string
		options []connect.ClientOption
		methods []string
		http1   bool
	}{
		{name: connect.ProtocolConnect, methods: []string{unary, get, clientStream, serverStream, bidiStream}, http1: true},
		{name: connect.ProtocolGRPC, methods: []string{unary, clientStream, serverStream, bidiStream}, options: []connect.ClientOption{connect.WithGRPC()}},
		{name: connect.ProtocolGRPCWeb, methods: []string{unary, clientStream, serverStream, bidiStream}, options: []connect.ClientOption{connect.WithGRPCWeb()}, http1: true},
	}
	var all []transport
	for _, protocol := range protocols {
		for _, method := range protocol.methods {
			for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
				if version == "HTTP 1.1" && (!protocol.http1 || method == bidiStream) {
					continue
				}
				all = append(all, transport{
					name:   "connect-go, " + protocol.name + ", " + method + ", " + version,
					method: method,
					start: func(t *testing.T, guard *auth.Guard, s *service) caller {
						url := serveHTTP(t, newConnectMux(guard, s))
						return connectCaller(newHTTPClient(t, version), url, method, protocol.options...)
					},
					noChallenge: protocol.name == connect.ProtocolGRPC,
					decodeError: connect.CodeInvalidArgument.String(),
					decodesLate: method == clientStream || method == bidiStream,
				})
			}
		}
	}
	return all
}

func newConnectMux(guard *auth.Guard, s *service) http.Handler {
	mux := http.NewServeMux()
	guarded := connectauth.WithGuard(guard)
	if s.inner != nil {
		guarded = connect.WithHandlerOptions(guarded, connectauth.WithGuard(s.inner))
	}
	echo := s.echo
	for name := range rules {
		at := procedure(name, unary)
		mux.Handle(at, connect.NewUnaryHandlerSimple(at, echo, guarded))
		at = procedure(name, get)
		mux.Handle(at, connect.NewUnaryHandlerSimple(at, echo, guarded, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
		at = procedure(name, clientStream)
		mux.Handle(at, connect.NewClientStreamHandlerSimple(at, func(ctx context.Context, stream *connect.ClientStream[text]) (*text, error) {
			s.ran.Add(1)
			if !stream.Receive() {
				return nil, stream.Err()
			}
			return wrapperspb.String(s.say(ctx, stream.Msg().GetValue())), nil
		}, guarded))
		at = procedure(name, serverStream)
		mux.Handle(at, connect.NewServerStreamHandlerSimple(at, func(ctx context.Context, in *text, stream *connect.ServerStream[text]) error {
			out, err := echo(ctx, in)
			return errors.Join(err, stream.Send(out))
		}, guarded))
		at = procedure(name, bidiStream)
		mux.Handle(at, connect.NewBidiStreamHandler(at, func(ctx context.Context, stream *connect.BidiStream[text, text]) error {
			s.ran.Add(1)
			in, err := stream.Receive()
			if err != nil {
				return err
			}
			return stream.Send(wrapperspb.String(s.say(ctx, in.GetValue())))
		}, guarded))
	}
	return mux
}

// serveHTTP serves HTTP/1.1 and HTTP/2 in plaintext on a free port, and expects
// nothing in the server's log.
func serveHTTP(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(failingWriter{t}, "", 0)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

type failingWriter struct{ t *testing.T }

func (w failingWriter) Write(line []byte) (int, error) {
	w.t.Errorf("the server logged: %s", line)
	return len(line), nil
}

func newHTTPClient(t *testing.T, version string) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(version == "HTTP 1.1")
	transport.Protocols.SetUnencryptedHTTP2(version == "HTTP 2")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: holdingTransport{transport}}
}

// encoded is a message that is on the wire as it is here, whether or not it can
// be decoded.
type encoded struct{ wire []byte }

// passThrough is the protobuf codec of connect and of grpc-go, but for messages
// that are encoded already.
type passThrough struct{}

func (passThrough) Name() string                        { return "proto" }
func (passThrough) IsBinary() bool                      { return true }
func (passThrough) MarshalStable(v any) ([]byte, error) { return passThrough{}.Marshal(v) }

func (passThrough) Marshal(v any) ([]byte, error) {
	switch message := v.(type) {
	case *encoded:
		return message.wire, nil
	case proto.Message:
		return proto.Marshal(message)
	default:
		return nil, fmt.Errorf("%T is no message", v)
	}
}

func (passThrough) Unmarshal(data []byte, v any) error {
	message, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	return proto.Unmarshal(data, message)
}

func connectCaller(client *http.Client, url, method string, options ...connect.ClientOption) caller {
	return func(ctx context.Context, a attempt) outcome {
		ctx = context.WithValue(ctx, holdKey{}, a.hold)
		options := append([]connect.ClientOption{
			connect.WithCodec(passThrough{}),
			connect.WithHTTPGet(),
			connect.WithInterceptors(&sendHeader{a.header}),
		}, options...)
		if method == get {
			options = append(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
		}
		rpc := connect.NewClient[encoded, text](withQuery{client, a.query}, url+procedure(a.service, method), options...)
		reply, err := callConnect(ctx, rpc, method, &encoded{a.body})
		return connectOutcome(reply, err)
	}
}

func callConnect(ctx context.Context, rpc *connect.Client[encoded, text], method string, in *encoded) (string, error) {
	switch method {
	case clientStream:
		stream := rpc.CallClientStream(ctx)
		_ = stream.Send(in) // where it fails, the answer says why
		res, err := stream.CloseAndReceive()
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	case serverStream:
		stream, err := rpc.CallServerStream(ctx, connect.NewRequest(in))
		if err != nil {
			return "", err
		}
		stream.Receive()
		reply := stream.Msg().GetValue()
		return reply, errors.Join(stream.Err(), stream.Close())
	case bidiStream:
		stream := rpc.CallBidiStream(ctx)
		_ = stream.Send(in) // where it fails, the answer says why
		_ = stream.CloseRequest()
		out, err := stream.Receive()
		if err == nil {
			_, _ = stream.Receive() // up to the end, so that the handler has returned
		}
		_ = stream.CloseResponse()
		return out.GetValue(), err
	default:
		res, err := rpc.CallUnary(ctx, connect.NewRequest(in))
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	}
}

func connectOutcome(reply string, err error) outcome {
	received, ok := errors.AsType[*connect.Error](err)
	if !ok {
		if err != nil {
			return outcome{code: "none: " + err.Error()}
		}
		return outcome{reply: reply}
	}
	got := outcome{
		code:      received.Code().String(),
		challenge: received.Meta().Get("WWW-Authenticate"),
		text:      fmt.Sprint(received.Message(), received.Meta()),
	}
	got.reason, got.refused = connectauth.ReasonOf(err)
	for _, detail := range received.Details() {
		got.text += string(detail.Bytes())
	}
	return got
}

// withQuery is a client that adds a query to the URL.
type withQuery struct {
	client *http.Client
	query  string
}

func (w withQuery) Do(req *http.Request) (*http.Response, error) {
	if w.query != "" {
		req.URL.RawQuery += "&" + w.query
	}
	return w.client.Do(req)
}

// sendHeader sends the header of an attempt just as it is.
type sendHeader struct{ header http.Header }

func (s *sendHeader) copyTo(header http.Header) {
	for name, values := range s.header {
		header[name] = values
	}
}

func (s *sendHeader) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		s.copyTo(req.Header())
		return next(ctx, req)
	}
}

func (s *sendHeader) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		s.copyTo(conn.RequestHeader())
		return conn
	}
}

func (s *sendHeader) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
