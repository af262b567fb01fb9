package auth

import (
	"context"
	"errors"
	"sync/atomic"
)

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
	stream   *Stream     // nil for a unary call
	user     any         // of Guard.LoadUser; a stream that was renewed has its own
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
	if key == (requestIDKey{}) && a.call.RequestID != "" {
		return &a.call.RequestID
	}
	return a.Context.Value(key)
}

// admission returns the call that this guard has admitted; nil where it has not.
func (g *Guard) admission(ctx context.Context) *admitted {
	a, _ := ctx.Value(admissionKey{g}).(*admitted)
	return a
}

// Admitted reports whether the context is that of a call of the procedure that this
// guard has admitted already, for adapters that see a call twice.
func (g *Guard) Admitted(ctx context.Context, procedure string) bool {
	a := g.admission(ctx)
	return a != nil && a.call.Procedure == procedure
}

// decidedKey finds the note of whether a guard has decided about a call.
type decidedKey struct{}

// TrackDecision returns a context, and a function that reports whether any guard has
// decided about a call with this context or one derived from it, or had admitted the call
// of ctx before. A refusal is a decision too, since its answer must go out. It is for what
// must find calls that nobody guards.
func TrackDecision(ctx context.Context) (tracked context.Context, decided func() bool) {
	note := new(atomic.Bool)
	if a, _ := ctx.Value(contextKey{}).(*admitted); a != nil && a.guard != nil {
		note.Store(true)
	}
	return context.WithValue(ctx, decidedKey{}, note), note.Load
}

// current returns the identity that counts now; nil when anonymous.
func (a *admitted) current() *Identity {
	if a.stream == nil {
		return a.identity
	}
	return a.stream.identity()
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

// CurrentIdentity returns the identity of the caller as it is now. It is FromContext's,
// except in a stream that another call of the same session has renewed since: then
// it is the newest token's.
func CurrentIdentity(ctx context.Context) (*Identity, bool) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil {
		return nil, false
	}
	id := a.current()
	return id, id != nil
}

// MustCurrentIdentity is [CurrentIdentity] in handlers whose rule is not public: it panics where
// there is no identity.
func MustCurrentIdentity(ctx context.Context) *Identity {
	if id, ok := CurrentIdentity(ctx); ok {
		return id
	}
	return MustFromContext(ctx)
}

// WatchIdentity returns the identity of the caller as it is now, and a channel that is
// closed when it changes:
//
//	for {
//		id, changed := auth.WatchIdentity(ctx)
//		// ...
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return context.Cause(ctx)
//		}
//	}
//
// The identity is nil when there is none. The channel is nil, and so never
// ready, where the identity cannot change.
func WatchIdentity(ctx context.Context) (*Identity, <-chan struct{}) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	switch {
	case a == nil:
		return nil, nil
	case a.stream == nil:
		return a.identity, nil
	default:
		return a.stream.watch()
	}
}

// CallerToken returns the bearer token of the call that is being handled, to be sent on
// to another service, as authclient.RelayCaller does. The token lets its
// holder do everything that the caller can: keep it out of logs and errors.
//
// In a stream that another call of the same session has renewed it is the token
// of that call, as [CurrentIdentity] is its identity.
//
// It returns an error when ctx is not that of an admitted call, when the caller
// is anonymous, and when the call carried its token elsewhere than in its
// Authorization header. Where the token no longer counts, since it has expired or was
// revoked after the call was admitted, the error is the *Error that says so.
func CallerToken(ctx context.Context) (string, error) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.identity == nil {
		return "", errors.New("the context is not that of an authenticated call")
	}
	if err := CallerCheck(ctx)(); err != nil {
		return "", err
	}
	if a.stream != nil {
		if token, renewed := a.stream.bearerToken(); token != "" {
			return token, nil
		} else if renewed {
			return "", errors.New("the call that renewed the stream carried no token in its Authorization header")
		}
	}
	return BearerToken(a.call.Header)
}

// CallerCheck returns a function that asks whether the token of the caller still counts:
// it returns nil or an *Error, as [Guard.CheckRequest] does. It is for what is kept in
// the caller's name for longer than the call, such as a cache, and does not hold ctx.
// Where there is no caller, there is nothing to ask, and it returns nil.
func CallerCheck(ctx context.Context) func() error {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.guard == nil {
		return func() error { return nil }
	}
	g, id := a.guard, a.current()
	return func() error {
		if refusal := g.stillCounts(id, true); refusal != nil {
			return refusal
		}
		return nil
	}
}
