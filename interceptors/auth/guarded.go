package auth

import (
	"context"
	"reflect"
	"time"
)

// MarkGuarded notes that this guard decides about every call of a procedure, a service
// such as /acme.invoice.v1.InvoiceService/, or a handler given as a pointer. Adapters call
// it when they put the guard in front, for what must find out what nobody guards.
func (g *Guard) MarkGuarded(what any) { g.guarded.Store(what, nil) }

// Guards reports whether MarkGuarded was called with the same value.
func (g *Guard) Guards(what any) bool {
	if what == nil || !reflect.TypeOf(what).Comparable() {
		return false
	}
	_, marked := g.guarded.Load(what)
	return marked
}

// Refuse shows the Observer that a call is refused for a reason that no rule gives, and
// returns the refusal. It is for what finds calls about which no guard was asked.
func (g *Guard) Refuse(ctx context.Context, call Call, refusal *Error) *Error {
	_ = g.observe(ctx, &call, nil, refusal, time.Time{})
	return refusal
}
