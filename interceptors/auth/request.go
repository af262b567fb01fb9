package auth

import (
	"context"
	"time"
)

// CheckRequest asks again, once the request is there and before the handler has
// it, whether the decision on an admitted call still holds. A caller can send the
// headers of a call and keep its body back for as long as the transport allows.
//
// It returns nil or an *Error: TokenExpired, TokenRevoked, KeyUnknown or
// KeysUnavailable where the caller's token no longer counts, and what the rule
// says of the message where the rule has a condition on it. A caller who was
// admitted as anonymous has no token to ask about.
//
// The context is the one that Admit returned, or derived from it; a call that
// this guard has not admitted is refused with AuthFailure. Adapters without
// messages give nil. The Observer is shown refusals only: it knows already that
// the call was admitted. Without a condition it costs a look into the context,
// at the clock and into the Revocations, and allocates nothing.
//
// It does not bound the wait for the request. See the package of your adapter.
func (g *Guard) CheckRequest(ctx context.Context, message any) error {
	a := g.admission(ctx)
	if a == nil {
		return Errorf(AuthFailure, "a request was to be checked that this guard has not admitted")
	}
	id := a.current()
	refusal := g.stillCounts(id)
	var start time.Time
	if refusal == nil && a.messages != nil {
		start = g.now()
		refusal = a.check(id, message)
	}
	if refusal == nil {
		return nil
	}
	_ = g.observe(ctx, &a.call, id, refusal, start)
	return refusal
}

// stillCounts returns why the identity of an admitted caller no longer counts.
func (g *Guard) stillCounts(id *Identity) (refusal *Error) {
	if id == nil {
		return nil
	}
	defer recoverAs(&refusal, "asking whether a token still counts")
	if !id.ExpiresAt.IsZero() && !g.clock().Before(id.ExpiresAt.Add(id.Leeway)) {
		return NewError(TokenExpired, nil)
	}
	return g.withdrawn(id)
}

// withdrawn returns why the identity no longer counts although it has not expired.
func (g *Guard) withdrawn(id *Identity) (refusal *Error) {
	if id == nil {
		return nil
	}
	defer recoverAs(&refusal, "asking whether a token is revoked")
	if id.Key != nil {
		if err := id.Key.Withdrawn(); err != nil {
			return AsError(err)
		}
	}
	if g.Revocations == nil {
		return nil
	}
	return refusalOf(g.Revocations.Revoked(id))
}

// check asks the rule about a message.
func (a *admitted) check(id *Identity, message any) (refusal *Error) {
	defer recoverAs(&refusal, "deciding on a message")
	return refusalOf(a.messages.CheckMessage(id, message))
}

// recoverAs is deferred where code is called that is not the guard's own. It
// turns a panic of that code into a refusal.
func recoverAs(refusal **Error, doing string) {
	if p := recover(); p != nil {
		*refusal = Errorf(AuthFailure, "panic while %s: %v", doing, p)
	}
}
