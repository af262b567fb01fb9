package auth

import (
	"context"
	"time"
)

// An Authenticator says who is calling. token.Verifier is one.
//
// It returns an *Error: TokenMissing when the call carries no credential at
// all, another reason when it carries one that is not accepted. It never
// returns a nil Identity with a nil error. It must be safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, call Call) (*Identity, error)
}

// A Guard decides about every call: it authenticates the caller, asks the rule
// of the procedure, tells the Observer, and makes the handler's context. It is
// the one thing that adapters call, so that every transport decides alike.
//
// It fails closed: without an Authenticator or a Policy, for a procedure
// without a rule, and when anything panics, the call is refused with
// AuthFailure. A Guard must not be changed or copied once in use; it is safe for
// concurrent use.
type Guard struct {
	// Authenticator says who is calling. Required.
	Authenticator Authenticator
	// Policy says what each procedure asks of its caller. Required.
	Policy Policy
	// Revocations says which tokens no longer count although they are valid by
	// themselves. Optional; without it a token counts until it expires.
	Revocations Revocations
	// Observer is told of every decision. Optional.
	Observer Observer
	// Now is the clock that ends streams; let it be the Authenticator's. nil is
	// time.Now.
	Now func() time.Time

	leases   leases
	handlers handlers
}

// Admit decides about a call. It returns the context for the handler, derived
// from ctx and carrying the caller's identity, or an *Error.
//
// Where the rule must see the messages of the call as well, an adapter gives
// each one to CheckMessage with the context that Admit returned.
func (g *Guard) Admit(ctx context.Context, call Call) (context.Context, error) {
	start := g.now()
	id, rule, err := g.decide(ctx, &call)
	refusal := AsError(err)
	if refusal == nil {
		ctx = g.admit(ctx, &call, id, rule)
		if id != nil {
			g.leases.renew(id)
		}
	}
	g.observe(ctx, &call, id, refusal, start)
	if refusal != nil {
		return ctx, refusal
	}
	return ctx, nil
}

// decide returns who is calling, as far as that is known, the rule that decided,
// and the refusal.
func (g *Guard) decide(ctx context.Context, call *Call) (id *Identity, rule Rule, err error) {
	defer func() {
		if p := recover(); p != nil {
			id, err = nil, Errorf(AuthFailure, "panic while deciding %s: %v", call.Procedure, p)
		}
	}()
	if g.Authenticator == nil || g.Policy == nil {
		return nil, nil, Errorf(AuthFailure, "the guard has no Authenticator or no Policy")
	}
	rule = g.Policy.Rule(call.Procedure)
	id, err = g.authenticate(ctx, call, rule)
	if err != nil {
		return nil, rule, err
	}
	if rule == nil {
		if id == nil {
			return nil, nil, NewError(TokenMissing, nil) // an unknown method tells a stranger nothing
		}
		return id, nil, Errorf(AuthFailure, "no rule for %s", call.Procedure)
	}
	if _, needed := rule.(MessageRule); needed && !call.Messages {
		return id, rule, Errorf(AuthFailure, "the rule of %s has a condition on the request message, which this transport does not show it", call.Procedure)
	}
	return id, rule, rule.Check(id)
}

// authenticate returns nil and no error for a caller who counts as anonymous.
func (g *Guard) authenticate(ctx context.Context, call *Call, rule Rule) (*Identity, error) {
	id, err := g.Authenticator.Authenticate(ctx, *call)
	if err == nil {
		if id == nil {
			return nil, Errorf(AuthFailure, "the Authenticator returned neither an identity nor an error")
		}
		if g.Revocations == nil {
			return id, nil
		}
		if err = g.Revocations.Revoked(id); err == nil {
			return id, nil
		}
	}
	return nil, anonymous(AsError(err), rule)
}

// anonymous returns the refusal of a caller whose token was not accepted; nil
// where the caller counts as anonymous.
func anonymous(refusal *Error, rule Rule) error {
	switch refusal.Reason {
	case TokenMissing:
		return nil
	case AuthFailure:
		return refusal // a fault of ours is no property of the token
	default:
		if lenient, ok := rule.(LenientRule); ok && lenient.IgnoreInvalid() {
			return nil
		}
		return refusal
	}
}

// CheckMessage decides about a message of an admitted call, once it was decoded
// and before the handler sees it. It returns nil or an *Error, and costs one
// look into the context where the rule asks nothing of messages.
//
// The context is the one that Admit returned, or derived from it; with any
// other the message is refused with AuthFailure. The Observer is told of
// refusals only: that the call was admitted it knows already.
func (g *Guard) CheckMessage(ctx context.Context, message any) error {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil {
		return Errorf(AuthFailure, "a message was to be checked outside an admitted call")
	}
	if a.messages == nil {
		return nil
	}
	start := g.now()
	id := a.current()
	refusal := AsError(a.messages.check(id, message))
	if refusal == nil {
		return nil
	}
	g.observe(ctx, &a.messages.call, id, refusal, start)
	return refusal
}

func (g *Guard) clock() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}
