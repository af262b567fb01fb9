package connectauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goodToken is the one token that newGuard accepts.
const goodToken = "good-token"

type authenticator struct{}

func (authenticator) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	token, err := auth.BearerToken(call.Header)
	if err != nil {
		return nil, err
	}
	if token != goodToken {
		return nil, auth.Errorf(auth.SignatureInvalid, "cause: only for logs")
	}
	return &auth.Identity{Issuer: "https://issuer.test", Subject: "ada", ClientID: "client_1", Kind: auth.KindSession}, nil
}

// everyone asks for no more than an identity, of whatever procedure.
type everyone struct{}

func (everyone) Rule(string) auth.Rule { return everyone{} }

func (everyone) Check(id *auth.Identity) error {
	if id == nil {
		return auth.NewError(auth.TokenMissing, nil)
	}
	return nil
}

func newGuard(observe auth.ObserverFunc) *auth.Guard {
	return &auth.Guard{Authenticator: authenticator{}, Policy: everyone{}, Observer: observe}
}

const service = "/ostiary.test.v1.EchoService/"

var procedures = map[auth.StreamType]string{
	auth.Unary:        service + "Unary",
	auth.ClientStream: service + "ClientStream",
	auth.ServerStream: service + "ServerStream",
	auth.BidiStream:   service + "BidiStream",
}

type text = wrapperspb.StringValue

// handle answers every method: with who calls and what they sent, or with an
// error.
type handle func(ctx context.Context, sent string) (string, error)

func whoCalls(ctx context.Context, sent string) (string, error) {
	id, ok := auth.FromContext(ctx)
	if !ok {
		return "", errors.New("the handler ran without an identity")
	}
	return id.Subject + " " + sent, nil
}

// newMux serves the four shapes of a call.
func newMux(answer handle, options ...connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(procedures[auth.Unary], connect.NewUnaryHandlerSimple(procedures[auth.Unary],
		func(ctx context.Context, in *text) (*text, error) {
			reply, err := answer(ctx, in.GetValue())
			return wrapperspb.String(reply), err
		}, options...))
	mux.Handle(procedures[auth.ClientStream], connect.NewClientStreamHandlerSimple(procedures[auth.ClientStream],
		func(ctx context.Context, in *connect.ClientStream[text]) (*text, error) {
			in.Receive()
			reply, err := answer(ctx, in.Msg().GetValue())
			return wrapperspb.String(reply), err
		}, options...))
	mux.Handle(procedures[auth.ServerStream], connect.NewServerStreamHandlerSimple(procedures[auth.ServerStream],
		func(ctx context.Context, in *text, out *connect.ServerStream[text]) error {
			reply, err := answer(ctx, in.GetValue())
			if err != nil {
				return err
			}
			return out.Send(wrapperspb.String(reply))
		}, options...))
	mux.Handle(procedures[auth.BidiStream], connect.NewBidiStreamHandler(procedures[auth.BidiStream],
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

	log lockedBuffer
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
	rpc := connect.NewClient[text, text](client, url+procedures[shape], options...)
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

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
