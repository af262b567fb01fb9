package grpcauth

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// admit asks the guard about a call, unless it has admitted this very call
// already: behind a Gate the interceptor sees the call a second time. The first
// shows the guard the messages.
func admit(ctx context.Context, guard *auth.Guard, procedure string, stream auth.StreamType) (admitted context.Context, first bool, err error) {
	if a, ok := ctx.Value(askedKey{guard}).(*asked); ok && a.procedure == procedure {
		return ctx, false, nil
	}
	a := &asked{Context: ctx, guard: guard, procedure: procedure}
	admitted, err = guard.Admit(a, auth.Call{
		Procedure: procedure,
		Protocol:  "grpc",
		Stream:    stream,
		Peer:      peerAddr(ctx),
		Header:    a,
		Messages:  true,
	})
	return admitted, true, err
}

// asked is the context of a call that the guard was asked about; only that of
// an admitted call goes further. It is also the call's header, so that asking
// costs one allocation.
type asked struct {
	context.Context

	guard     *auth.Guard
	procedure string
}

// askedKey finds the call that one guard was asked about.
type askedKey struct{ guard *auth.Guard }

func (a *asked) Value(key any) any {
	if key == (askedKey{a.guard}) {
		return a
	}
	return a.Context.Value(key)
}

// Values implements auth.Header. It copies the values of one key only;
// metadata.FromIncomingContext would copy them all.
func (a *asked) Values(name string) []string {
	if name == "Authorization" { // what is asked for in every call
		name = "authorization"
	} else {
		name = strings.ToLower(name)
	}
	return metadata.ValueFromIncomingContext(a.Context, name)
}

func peerAddr(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
