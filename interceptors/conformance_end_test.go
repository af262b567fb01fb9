package interceptors_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// An upload is a client stream whose handler takes messages until the end, and then
// acts on them.
type upload struct {
	received chan struct{} // is sent to with each message
	acted    chan struct{} // is closed when the handler acts
}

func newUpload() *upload {
	return &upload{received: make(chan struct{}), acted: make(chan struct{})}
}

func (u *upload) handle(receive func() error) (*text, error) {
	for {
		if err := receive(); errors.Is(err, io.EOF) {
			close(u.acted)
			return wrapperspb.String("done"), nil
		} else if err != nil {
			return nil, err
		}
		u.received <- struct{}{}
	}
}

// A heldUpload is the client's side: it sends one message, and then the end.
type heldUpload struct {
	send func() error
	end  func() (*text, error)
}

func (u *upload) connect(t *testing.T, guard *auth.Guard, token, version string, options ...connect.ClientOption) heldUpload {
	t.Helper()
	at := procedure(authenticated, clientStream)
	mux := http.NewServeMux()
	mux.Handle(at, connect.NewClientStreamHandlerSimple(at, func(_ context.Context, stream *connect.ClientStream[text]) (*text, error) {
		return u.handle(func() error {
			if stream.Receive() {
				return nil
			}
			if err := stream.Err(); err != nil {
				return err
			}
			return io.EOF
		})
	}, connectauth.WithGuard(guard)))
	url := serveHTTP(t, connectauth.Abortable(mux))
	stream := connect.NewClient[text, text](newHTTPClient(t, version), url+at, options...).CallClientStream(t.Context())
	stream.RequestHeader().Set("Authorization", "Bearer "+token)
	return heldUpload{
		send: func() error { return stream.Send(wrapperspb.String("hello")) },
		end: func() (*text, error) {
			res, err := stream.CloseAndReceive()
			if err != nil {
				return nil, err
			}
			return res.Msg, nil
		},
	}
}

func (u *upload) grpc(t *testing.T, guard *auth.Guard, token string) heldUpload {
	t.Helper()
	server := grpc.NewServer(grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "ostiary.test.v1." + authenticated,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: clientStream, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			reply, err := u.handle(func() error { return stream.RecvMsg(new(text)) })
			if err != nil {
				return err
			}
			return stream.SendMsg(reply)
		}}},
	}, u)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	stream, err := dialGRPC(t, listener.Addr().String()).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, procedure(authenticated, clientStream))
	if err != nil {
		t.Fatal(err)
	}
	return heldUpload{
		send: func() error { return stream.SendMsg(wrapperspb.String("hello")) },
		end: func() (*text, error) {
			reply := new(text)
			err := errors.Join(stream.CloseSend(), stream.RecvMsg(reply))
			return reply, err
		},
	}
}

// TestTheEndOfAClientStreamIsCheckedLikeItsFirstMessage sends all messages of an upload
// while the token is valid, and the end when it is no longer.
func TestTheEndOfAClientStreamIsCheckedLikeItsFirstMessage(t *testing.T) {
	t.Parallel()
	type start func(*upload, *testing.T, *heldKit) heldUpload
	transports := map[string]start{
		"grpc-go": func(u *upload, t *testing.T, k *heldKit) heldUpload { return u.grpc(t, k.guard, k.session) },
	}
	for name, options := range map[string][]connect.ClientOption{"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}} {
		for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
			if name == "gRPC" && version == "HTTP 1.1" {
				continue
			}
			transports["connect-go, "+name+", "+version] = func(u *upload, t *testing.T, k *heldKit) heldUpload {
				return u.connect(t, k.guard, k.session, version, options...)
			}
		}
	}
	for transport, start := range transports {
		for name, loss := range losses {
			t.Run(transport+", "+name, func(t *testing.T) {
				t.Parallel()
				k, u := newHeldKit(t), newUpload()
				client := start(u, t, k)
				if err := client.send(); err != nil {
					t.Fatal(err)
				}
				<-u.received
				loss.lose(t, k)
				_, err := client.end()
				reason, ok := connectauth.ReasonOf(err)
				if transport == "grpc-go" {
					reason, ok = grpcauth.ReasonOf(err)
				}
				if !ok || reason != loss.want {
					t.Errorf("%v; want %v", err, loss.want)
				}
				if err := k.guard.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				select {
				case <-u.acted:
					t.Error("the handler acted")
				default:
				}
			})
		}
	}
}
