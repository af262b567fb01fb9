package auth

import (
	"context"
	"reflect"
	"strings"
)

// MarkGuarded notes that this guard decides about every call of a procedure, of a service
// such as /acme.invoice.v1.InvoiceService/, or of a handler, which is a pointer. Adapters
// call it when they put the guard in front, for what must find out what nobody guards.
func (g *Guard) MarkGuarded(what any) { g.guarded.Store(what, nil) }

// Mount is MarkGuarded for a method and its service, and WarnOfRule, when the method is
// mounted.
func (g *Guard) Mount(method string) {
	g.MarkGuarded(method)
	g.MarkGuarded(method[:strings.LastIndexByte(method, '/')+1])
	g.WarnOfRule(method)
}

// WarnOfRule logs what somebody should see of a procedure at the start: that it has no rule,
// so that every call of it will be refused, or that it is reflection which is public.
func (g *Guard) WarnOfRule(procedure string) {
	if g.Policy == nil {
		return
	}
	if rule := g.Policy.Rule(procedure); rule == nil {
		g.log().Error("a procedure has no rule, and every call of it is refused: write one in the schema (ostiary.policy.v1.rule), or give it by policy.Override or policy.OverrideService",
			"procedure", procedure)
	} else if strings.HasPrefix(procedure, "/grpc.reflection.") && rule.Check(nil) == nil {
		g.log().Info("reflection is served to everybody; to close it, give it a rule", "procedure", procedure)
	}
}

// Guards reports whether MarkGuarded was called with the same value.
func (g *Guard) Guards(what any) bool {
	if what == nil || !reflect.ValueOf(what).Comparable() { // a struct's type does not show whether what it holds is
		return false
	}
	_, marked := g.guarded.Load(what)
	return marked
}

// Refuse shows the Observer that a call is refused for a reason that no rule gives, and
// returns the refusal. It is for what finds calls about which no guard was asked.
func (g *Guard) Refuse(ctx context.Context, call Call, refusal *Error) *Error {
	call.RequestID = requestIDOf(ctx, &call)
	_ = g.show(ctx, &call, Decision{Refusal: refusal})
	return refusal
}
