package transport

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// RequestIDs gives each call of the native port its id, as httpauth.RequestIDs does on the
// other. It implements stats.Handler, which grpc-go calls before all else.
type RequestIDs struct {
	// Trusted reports whether the call came from a proxy whose x-request-id is kept.
	Trusted func(ctx context.Context) bool
}

// TagRPC implements stats.Handler.
func (ids RequestIDs) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	var given string
	if ids.Trusted(ctx) {
		if values := metadata.ValueFromIncomingContext(ctx, "x-request-id"); len(values) == 1 {
			given = values[0]
		}
	}
	return auth.WithRequestID(ctx, given)
}

// HandleRPC does nothing.
func (RequestIDs) HandleRPC(context.Context, stats.RPCStats) {}

// TagConn does nothing.
func (RequestIDs) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (RequestIDs) HandleConn(context.Context, stats.ConnStats) {}

// LogHandler adds to each line that is logged during a call, with its context, the id of the
// call as request_id, and that of its trace as trace_id.
func LogHandler(to slog.Handler) slog.Handler { return logHandler{to} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, line slog.Record) error {
	id, span := auth.RequestID(ctx), trace.SpanContextFromContext(ctx)
	if id == "" && !span.HasTraceID() {
		return h.Handler.Handle(ctx, line)
	}
	line = line.Clone()
	if id != "" {
		line.AddAttrs(slog.String("request_id", id))
	}
	if span.HasTraceID() {
		line.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, line)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

// identified returns the error of a connect handler with the id of its call among its
// details, where it has an ErrorInfo.
func identified(ctx context.Context, err error) error {
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return err
	}
	details := failed.Details()
	place := slices.IndexFunc(details, func(d *connect.ErrorDetail) bool { return d.Type() == errorInfo })
	id := auth.RequestID(ctx)
	if place < 0 || id == "" || bytes.Contains(details[place].Bytes(), []byte(id)) { // as those of guards
		return err
	}
	sent := connect.NewError(failed.Code(), errors.New(failed.Message()))
	maps.Copy(sent.Meta(), failed.Meta())
	for i, detail := range details {
		if i == place {
			changed := auth.WithRequestIDDetail(&anypb.Any{TypeUrl: "type.googleapis.com/" + errorInfo, Value: detail.Bytes()}, id)
			detail, _ = connect.NewErrorDetail(changed) // an Any is taken as it is
		}
		sent.AddDetail(detail)
	}
	return sent
}

const errorInfo = "google.rpc.ErrorInfo"

// AnswerID answers a stream with the id of its call as x-request-id in the header. It comes
// before what may refuse the stream.
func AnswerID(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	answerID(stream.Context())
	return next(server, stream)
}

func answerID(ctx context.Context) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(auth.RequestIDHeader, auth.RequestID(ctx))) // nothing is sent yet
}

// IdentifyAnswers returns a registrar whose services answer each unary call with its id as
// x-request-id in the header, and each error that has an ErrorInfo with the id in that. See
// AnswerID for streams, which interceptors can refuse before a service is asked.
func IdentifyAnswers(registrar grpc.ServiceRegistrar) grpc.ServiceRegistrar {
	return &wrapping{
		registrar,
		func(next grpc.MethodHandler) grpc.MethodHandler {
			return func(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
				answerID(ctx)
				res, err := next(impl, ctx, decode, interceptor)
				return res, identifiedStatus(ctx, err)
			}
		},
		func(next grpc.StreamHandler) grpc.StreamHandler {
			return func(impl any, stream grpc.ServerStream) error {
				return identifiedStatus(stream.Context(), next(impl, stream))
			}
		},
	}
}

func identifiedStatus(ctx context.Context, err error) error {
	id := auth.RequestID(ctx)
	if err == nil || id == "" {
		return err
	}
	failed, ok := status.FromError(err)
	if !ok {
		return err
	}
	sent := failed.Proto()
	place := slices.IndexFunc(sent.GetDetails(), func(d *anypb.Any) bool { return d.MessageName() == errorInfo })
	if place < 0 || bytes.Contains(sent.GetDetails()[place].GetValue(), []byte(id)) {
		return err
	}
	sent.Details[place] = auth.WithRequestIDDetail(sent.GetDetails()[place], id)
	return &identifiedError{err, status.FromProto(sent)}
}

// identifiedError is an error that is sent with the id of its call. The log finds the error
// itself by errors.As.
type identifiedError struct {
	error

	sent *status.Status
}

func (e *identifiedError) Unwrap() error              { return e.error }
func (e *identifiedError) GRPCStatus() *status.Status { return e.sent }
