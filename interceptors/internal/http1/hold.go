package http1

import (
	"context"
	"net/http"
)

// HoldKey finds in a request's context what has a hold on its connection.
type HoldKey struct{}

// A Holder has a hold on a connection, through the response of a request.
type Holder interface {
	// Through returns the hold through another response, which wraps that of the
	// Holder.
	Through(w http.ResponseWriter) Holder
}

// Through has the hold of the context, if there is one, go through a response that
// locks: two goroutines must not use one response at once.
func Through(ctx context.Context, w http.ResponseWriter) context.Context {
	if holder, ok := ctx.Value(HoldKey{}).(Holder); ok {
		return context.WithValue(ctx, HoldKey{}, holder.Through(w))
	}
	return ctx
}
