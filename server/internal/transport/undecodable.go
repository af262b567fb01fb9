package transport

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/internal/decodefault"
)

// Codec is grpc-go's own, but that Unmarshal does not fail for a message that cannot be
// read: grpc-go would answer INTERNAL at once, as if the server were at fault. It leaves
// the message empty but for the fault, which the registrar of RefuseUndecodable finds
// before the handler runs. Use both or neither.
type Codec struct{}

// Name implements encoding.CodecV2.
func (Codec) Name() string { return grpcproto.Name }

// Marshal implements encoding.CodecV2.
func (Codec) Marshal(message any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(grpcproto.Name).Marshal(message)
}

// Unmarshal implements encoding.CodecV2.
func (Codec) Unmarshal(data mem.BufferSlice, message any) error {
	err := encoding.GetCodecV2(grpcproto.Name).Unmarshal(data, message)
	m, ok := message.(proto.Message)
	if err == nil || !ok {
		return err
	}
	decodefault.Set(m, err)
	return nil
}

// RefuseUndecodable returns a registrar whose services answer a message that [Codec] could
// not read with what refuse makes of the fault.
func RefuseUndecodable(registrar grpc.ServiceRegistrar, refuse func(fault error) error) grpc.ServiceRegistrar {
	checked := func(receive func(message any) error) func(message any) error {
		return func(message any) error {
			if err := receive(message); err != nil {
				return err
			}
			if fault := decodefault.Of(message); fault != nil {
				return refuse(fault)
			}
			return nil
		}
	}
	return &wrapping{
		registrar,
		func(next grpc.MethodHandler) grpc.MethodHandler {
			return func(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
				return next(impl, ctx, checked(decode), interceptor)
			}
		},
		func(next grpc.StreamHandler) grpc.StreamHandler {
			return func(impl any, stream grpc.ServerStream) error {
				return next(impl, &checkedStream{stream, checked(stream.RecvMsg)})
			}
		},
	}
}

type checkedStream struct {
	grpc.ServerStream

	receive func(message any) error
}

func (s *checkedStream) RecvMsg(message any) error { return s.receive(message) }
