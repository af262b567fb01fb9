package auth

import (
	"context"
	"log/slog"
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

// A Watcher is an Authenticator whose identities can lose their Key. Open streams
// of such identities are asked about again whenever changed is called, and end at
// once; without it, within a minute.
type Watcher interface {
	Authenticator
	// Watch has changed called whenever Key.Withdrawn may answer otherwise than
	// before, until stop is called.
	Watch(changed func()) (stop func())
}

// A Guard decides about every call: it authenticates the caller, asks the rule
// of the procedure, shows the Observer its decision, and makes the handler's
// context. It is the one thing that adapters call, so that every transport
// decides alike.
//
// It fails closed: without an Authenticator or a Policy, for a procedure
// without a rule, and when anything panics that it asks, the call is refused with
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
	// Observer sees every decision. Optional.
	Observer Observer
	// ResourceMetadata is the URL of what is published about this API for OAuth
	// clients (RFC 9728), which challenges then name. Default: none.
	ResourceMetadata string
	// Now is the clock that ends streams; let it be the Authenticator's. nil is
	// time.Now.
	Now func() time.Time

	// Logger gets the panic of a handler whose stream had ended: nobody is left whom
	// it could reach otherwise. Optional; without it such a panic is lost.
	Logger *slog.Logger

	streams
}

// Admit decides about a call. It returns the context for the handler, derived
// from ctx and carrying the caller's identity, or an *Error.
//
// Before the handler has the request, an adapter gives it to CheckRequest, or
// serves the stream under its lease, with the context that Admit returned.
func (g *Guard) Admit(ctx context.Context, call Call) (context.Context, error) {
	start := g.now()
	a, id, refusal := g.decide(ctx, &call)
	if a != nil {
		ctx = a
	}
	if fault := g.observe(ctx, &call, id, refusal, start); refusal == nil {
		refusal = fault
	}
	if refusal != nil {
		return ctx, refusal
	}
	return ctx, nil
}

// decide returns the context of an admitted call, or the refusal; and who is
// calling, as far as that is known.
func (g *Guard) decide(ctx context.Context, call *Call) (a *admitted, id *Identity, refusal *Error) {
	defer func() {
		if p := recover(); p != nil {
			a, id, refusal = nil, nil, Errorf(AuthFailure, "panic while deciding %s: %v", call.Procedure, p)
		}
	}()
	if g.Authenticator == nil || g.Policy == nil {
		return nil, nil, Errorf(AuthFailure, "the guard has no Authenticator or no Policy")
	}
	rule := g.Policy.Rule(call.Procedure)
	id, err := g.authenticate(ctx, call, rule)
	if id != nil {
		g.renew(call, id) // whatever this rule says: those of the streams decide about them
	}
	if err == nil {
		err = permit(call, id, rule)
	}
	if err != nil {
		return nil, id, AsError(err)
	}
	return g.admit(ctx, call, id, rule), id, nil
}

// permit asks the rule about the caller.
func permit(call *Call, id *Identity, rule Rule) error {
	if rule == nil {
		if id == nil {
			return NewError(TokenMissing, nil) // a stranger learns nothing of an unknown method
		}
		return Errorf(AuthFailure, "no rule for %s", call.Procedure)
	}
	if _, needed := rule.(MessageRule); needed && !call.Messages {
		return Errorf(AuthFailure, "the rule of %s has a condition on the request message, which this transport does not show it", call.Procedure)
	}
	return rule.Check(id)
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

func (g *Guard) clock() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}

// Revocations says which tokens no longer count although they are valid by
// themselves. revocation.List is one. It must be safe for concurrent use, and
// Revoked quick: it is asked about every call.
type Revocations interface {
	// Revoked returns nil, or an *Error, mostly TokenRevoked.
	Revoked(id *Identity) error
	// Watch has changed called whenever Revoked may answer otherwise than before,
	// until stop is called. Open streams are then asked about again, so that
	// they end at once.
	Watch(changed func()) (stop func())
}
