package auth

import "context"

// contextKey finds the innermost admitted call, whichever guard admitted it.
type contextKey struct{}

// admissionKey finds the innermost call that one guard has admitted. Several
// guards may guard one handler, and each enforces its own decision.
type admissionKey struct{ guard *Guard }

// admitted is the context of an admitted call. It is a context of its own, and
// not a chain of values, so that admitting costs one allocation.
type admitted struct {
	context.Context

	guard    *Guard
	call     Call        // its header is where CallerToken finds the token
	identity *Identity   // nil when anonymous
	messages MessageRule // nil where the rule asks nothing of messages
	stream   *Stream     // nil where the call is none
}

func (g *Guard) admit(ctx context.Context, call *Call, id *Identity, rule Rule) *admitted {
	var a *admitted
	if call.Stream == Unary {
		a = new(admitted)
	} else {
		a = &newStream(g, id, rule).admitted
	}
	a.Context, a.guard, a.call, a.identity = ctx, g, *call, id
	a.messages, _ = rule.(MessageRule)
	return a
}

func (a *admitted) Value(key any) any {
	if key == (contextKey{}) || key == (admissionKey{a.guard}) {
		return a
	}
	return a.Context.Value(key)
}

// admission returns the call that this guard has admitted; nil where it has not.
func (g *Guard) admission(ctx context.Context) *admitted {
	a, _ := ctx.Value(admissionKey{g}).(*admitted)
	return a
}

// current returns the identity that counts now; nil when anonymous.
func (a *admitted) current() *Identity {
	if a.stream == nil {
		return a.identity
	}
	return a.stream.current.Load()
}

// NewContext returns a context that carries the identity, for tests of handlers
// and for transports of your own. A nil identity makes the context anonymous,
// whatever ctx carried.
func NewContext(ctx context.Context, id *Identity) context.Context {
	return &admitted{Context: ctx, identity: id}
}

// FromContext returns the identity of the caller, as it was when the call was
// admitted; see [CurrentIdentity] for streams. It reports false when there is none: on a
// public method that was called without a token, or outside a guarded call.
func FromContext(ctx context.Context) (*Identity, bool) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.identity == nil {
		return nil, false
	}
	return a.identity, true
}

// MustFromContext returns the identity of the caller. It panics when there is
// none, and so belongs in handlers whose rule is not public.
func MustFromContext(ctx context.Context) *Identity {
	id, ok := FromContext(ctx)
	if !ok {
		panic("auth: no identity in the context: is this method guarded, and its rule not public?")
	}
	return id
}
