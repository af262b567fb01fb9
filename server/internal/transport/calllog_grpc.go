package transport

import (
	"context"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// TagRPC begins the record of a call. With the methods below it implements
// stats.Handler, which grpc-go calls for every call, also where no interceptor
// runs.
func (l CallLog) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	rec := &record{protocol: "grpc", start: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		rec.peer = p.Addr.String()
	}
	return context.WithValue(ctx, recordKey{}, rec)
}

// HandleRPC writes the record at the end of a call.
func (l CallLog) HandleRPC(ctx context.Context, event stats.RPCStats) {
	end, ok := event.(*stats.End)
	if rec := recordOf(ctx); ok && rec != nil {
		rec.end(connect.Code(status.Code(end.Error)), end.Error)
		l.write(ctx, rec)
	}
}

// TagConn does nothing.
func (CallLog) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (CallLog) HandleConn(context.Context, stats.ConnStats) {}
