package grpcauth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// TestAGateGuardsEveryMethod calls each of several methods of a service, of which a
// gate might guard the first alone. The guard must be asked about each by its name.
func TestAGateGuardsEveryMethod(t *testing.T) {
	t.Parallel()
	several := grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil)}
	shapes := map[string]auth.StreamType{}
	for _, name := range []string{"First", "Second", "Third"} {
		several.Methods = append(several.Methods, grpc.MethodDesc{MethodName: name, Handler: unary})
		several.Streams = append(several.Streams, grpc.StreamDesc{StreamName: name + "Stream", Handler: stream, ClientStreams: true, ServerStreams: true})
		shapes[name], shapes[name+"Stream"] = auth.Unary, auth.BidiStream
	}
	asked := make(chan auth.Decision, 1)
	guard := newGuard(func(_ context.Context, d auth.Decision) { asked <- d })
	conn := dial(t, newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&several, neverCalled(t)) }))
	for name, shape := range shapes {
		procedure := "/" + service + "/" + name
		err := invoke(t, conn, procedure, shape)
		if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
			t.Errorf("%s without a token: %v; want %v", name, err, auth.TokenMissing)
			continue
		}
		if d := <-asked; d.Procedure != procedure || d.Stream != shape {
			t.Errorf("%s: the guard was asked about %s, %v", name, d.Procedure, d.Stream)
		}
	}
	if len(several.Methods) != 3 || several.Methods[0].MethodName != "First" {
		t.Errorf("the service description was changed: %+v", several)
	}
}

func invoke(t *testing.T, conn *grpc.ClientConn, procedure string, shape auth.StreamType) error {
	t.Helper()
	if shape == auth.Unary {
		return conn.Invoke(t.Context(), procedure, wrapperspb.String("hello"), new(text))
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(new(text))
}
