package transport

import (
	"slices"

	"google.golang.org/grpc"
)

// wrapping registers services whose handlers are what unary and stream make of them.
type wrapping struct {
	registrar grpc.ServiceRegistrar
	unary     func(grpc.MethodHandler) grpc.MethodHandler
	stream    func(grpc.StreamHandler) grpc.StreamHandler
}

// RegisterService implements grpc.ServiceRegistrar.
func (w *wrapping) RegisterService(service *grpc.ServiceDesc, impl any) {
	wrapped := *service
	wrapped.Methods = slices.Clone(service.Methods)
	for i := range wrapped.Methods {
		wrapped.Methods[i].Handler = w.unary(wrapped.Methods[i].Handler)
	}
	wrapped.Streams = slices.Clone(service.Streams)
	for i := range wrapped.Streams {
		wrapped.Streams[i].Handler = w.stream(wrapped.Streams[i].Handler)
	}
	w.registrar.RegisterService(&wrapped, impl)
}
