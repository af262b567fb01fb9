package grpcauth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// Gate guards the services that are registered through it before a byte of a
// request is read, so that nothing is decoded or decompressed for a stranger:
//
//	invoicev1.RegisterInvoiceServiceServer(grpcauth.Gate(server, guard), service)
//
// Its price is that unary interceptors do not see what it refuses; the Guard's
// Observer does. Behind a Gate, the unary interceptors of the chain find the
// identity in the context already.
//
// A Gate suffices for what is registered through it. Keep the interceptors all
// the same: they guard what is not, such as reflection or a service that
// somebody adds later. With both, the Guard decides once.
//
// grpc-go reads a request only when the handler asks for it, and then waits for as
// long as the client's own time-out allows. [RequestTimeout] bounds that.
//
// With a nil Guard every call is refused.
func Gate(registrar grpc.ServiceRegistrar, guard *auth.Guard, options ...GateOption) grpc.ServiceRegistrar {
	g := &gate{registrar: registrar, guard: orRefuseAll(guard)}
	for _, option := range options {
		option.configure(g)
	}
	return g
}

// A GateOption configures a [Gate], or the one of a [Server]. It is a grpc.ServerOption so
// that [NewServer] takes it among others; grpc.NewServer ignores it.
type GateOption interface {
	grpc.ServerOption
	configure(*gate)
}

// RequestTimeout bounds how long the request of a unary call may take to arrive
// whole, counted from when the call was admitted. A call whose request takes
// longer ends with DEADLINE_EXCEEDED, and its handler does not run. The request of
// a stream is bounded by the lease of the stream.
//
// By default, or where the limit is not positive, a request may take as long as
// the client likes. A limit costs one goroutine for as long as a request is read.
func RequestTimeout(limit time.Duration) GateOption { return requestTimeout{limit: limit} }

type requestTimeout struct {
	grpc.EmptyServerOption

	limit time.Duration
}

func (t requestTimeout) configure(g *gate) { g.requestTimeout = t.limit }

// ShowRefusals has interceptors see the calls that are refused, for those that count or log
// every call. Of a unary call that the Gate refuses such an interceptor gets a nil request,
// and a handler that returns the refusal, which is what the client gets whatever the
// interceptor makes of it. If it panics, as it does where it takes the request for a
// message, the Guard's Logger gets the panic.
//
// For [NewServer] it marks the place of the guard among the options: the interceptors of the
// options before it see refused calls, unary ones and streams, and those after it do not.
// Let only those stand before it that need to, since they see the streams of strangers, and
// nothing like validation:
//
//	server := grpcauth.NewServer(guard,
//		grpc.ChainUnaryInterceptor(metrics.UnaryServerInterceptor()),
//		grpc.ChainStreamInterceptor(metrics.StreamServerInterceptor()),
//		grpcauth.ShowRefusals(),
//		grpc.ChainUnaryInterceptor(validation),
//	)
//
// With a [Gate], it is the place of the guard's interceptors in the chain:
//
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(metrics.UnaryServerInterceptor(), grpcauth.UnaryServerInterceptor(guard)),
//		grpc.ChainStreamInterceptor(metrics.StreamServerInterceptor(), grpcauth.StreamServerInterceptor(guard)),
//	)
//	invoicev1.RegisterInvoiceServiceServer(grpcauth.Gate(server, guard, grpcauth.ShowRefusals()), service)
func ShowRefusals() GateOption { return showRefusals{} }

type showRefusals struct{ grpc.EmptyServerOption }

func (showRefusals) configure(g *gate) { g.showRefusals = true }

type gate struct {
	registrar      grpc.ServiceRegistrar
	guard          *auth.Guard
	requestTimeout time.Duration
	showRefusals   bool
}

// RegisterService implements grpc.ServiceRegistrar.
func (g *gate) RegisterService(service *grpc.ServiceDesc, impl any) {
	guarded := *service
	guarded.Methods = slices.Clone(service.Methods)
	for i := range guarded.Methods {
		method := &guarded.Methods[i]
		procedure := "/" + service.ServiceName + "/" + method.MethodName
		g.guard.Mount(procedure)
		method.Handler = g.unary(procedure, method.Handler)
	}
	guarded.Streams = slices.Clone(service.Streams)
	for i := range guarded.Streams {
		stream := &guarded.Streams[i]
		intercept := StreamServerInterceptor(g.guard)
		info := &grpc.StreamServerInfo{
			FullMethod:     "/" + service.ServiceName + "/" + stream.StreamName,
			IsClientStream: stream.ClientStreams,
			IsServerStream: stream.ServerStreams,
		}
		g.guard.Mount(info.FullMethod)
		next := stream.Handler
		stream.Handler = func(server any, s grpc.ServerStream) error { return intercept(server, s, info, next) }
	}
	g.registrar.RegisterService(&guarded, impl)
}

// unary asks before the generated handler runs, since that begins by reading
// the request and calls the interceptors after.
func (g *gate) unary(procedure string, next grpc.MethodHandler) grpc.MethodHandler {
	return func(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		ctx, first, err := admit(ctx, g.guard, procedure, auth.Unary)
		if err != nil {
			refusal := refuse(ctx, g.guard, auth.AsError(err))
			g.show(ctx, impl, procedure, interceptor, refusal)
			return nil, refusal
		}
		if first {
			read := decode
			decode = func(message any) error {
				err := g.checked(ctx, read, message)
				if refusal, ok := err.(*statusError); ok { //nolint:errorlint // it is as checked has made it
					g.show(ctx, impl, procedure, interceptor, refusal)
				}
				return err
			}
		}
		res, err := next(impl, ctx, decode, interceptor)
		if err != nil {
			err = translate(ctx, g.guard, err)
		}
		return res, err
	}
}

// show shows a refusal to the interceptors, if they are to see it. It recovers from their
// panics, since grpc-go does not, and strangers would end the process.
func (g *gate) show(ctx context.Context, impl any, procedure string, interceptor grpc.UnaryServerInterceptor, refusal error) {
	if !g.showRefusals || interceptor == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			cmp.Or(g.guard.Logger, slog.Default()).ErrorContext(ctx, "panic in an interceptor that sees refused calls, whose request is nil: put it after grpcauth.ShowRefusals, or have it expect that",
				"procedure", procedure, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	info := &grpc.UnaryServerInfo{Server: impl, FullMethod: procedure}
	_, _ = interceptor(context.WithValue(ctx, shownKey{g.guard}, refusal), nil, info,
		func(context.Context, any) (any, error) { return nil, refusal })
}

// shownKey finds the refusal of a call that is refused already, and only shown to the
// interceptors.
type shownKey struct{ guard *auth.Guard }

// checked decodes a request and has the guard decide about it. Its error is a *statusError
// where the guard refuses.
func (g *gate) checked(ctx context.Context, decode func(any) error, message any) error {
	if err := within(g.requestTimeout, decode, message); err != nil {
		return err
	}
	if err := g.guard.CheckRequest(ctx, message); err != nil {
		return refuse(ctx, g.guard, auth.AsError(err))
	}
	return nil
}

// within reads a message, and returns DEADLINE_EXCEEDED when that takes longer than the
// limit, if there is one. grpc-go ends a read that goes on once the handler has returned. A
// panic of read is within's as well.
func within(limit time.Duration, read func(any) error, message any) error {
	if limit <= 0 {
		return read(message)
	}
	done := make(chan lease.Outcome, 1)
	go lease.Run(func() error { return read(message) }, func(o lease.Outcome) { done <- o })
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case outcome := <-done:
		return outcome.Deliver()
	case <-timer.C:
		return status.Errorf(codes.DeadlineExceeded, "the request did not arrive within %v", limit)
	}
}
