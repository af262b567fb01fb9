package auth

import (
	"context"
	"fmt"
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

// A Policy knows the rule of each procedure. policy.Policy is one. It must be
// safe for concurrent use.
type Policy interface {
	// Rule returns the rule of the procedure, or nil when there is none, which
	// refuses every call.
	Rule(procedure string) Rule
}

// A Rule decides who may call one procedure.
type Rule interface {
	// Check returns nil when the caller may call and an *Error when not. The
	// identity is nil for a caller without a token.
	Check(id *Identity) error
}

// A Guard decides about every call: it authenticates the caller, asks the rule
// of the procedure, tells the Observer, and makes the handler's context. It is
// the one thing that adapters call, so that every transport decides alike.
//
// It fails closed: without an Authenticator or a Policy, for a procedure
// without a rule, and when anything panics, the call is refused with
// AuthFailure. A Guard must not be changed once in use; it is safe for
// concurrent use.
type Guard struct {
	// Authenticator says who is calling. Required.
	Authenticator Authenticator
	// Policy says what each procedure asks of its caller. Required.
	Policy Policy
	// Observer is told of every decision. Optional.
	Observer Observer
}

// Admit decides about a call. It returns the context for the handler, derived
// from ctx and carrying the caller's identity, or an *Error.
func (g *Guard) Admit(ctx context.Context, call Call) (context.Context, error) {
	if g.Observer == nil {
		id, err := g.decide(ctx, call)
		return admit(ctx, call, id, err)
	}
	start := time.Now()
	id, err := g.decide(ctx, call)
	ctx, err = admit(ctx, call, id, err)
	g.observe(ctx, Decision{
		Procedure: call.Procedure,
		Protocol:  call.Protocol,
		Stream:    call.Stream,
		Peer:      call.Peer,
		Identity:  id,
		Refusal:   AsError(err),
		Duration:  time.Since(start),
	})
	return ctx, err
}

func admit(ctx context.Context, call Call, id *Identity, err error) (context.Context, error) {
	if err != nil {
		return ctx, AsError(err)
	}
	return &admitted{Context: ctx, identity: id, header: call.Header}, nil
}

// decide returns who is calling, as far as that is known, and the refusal.
func (g *Guard) decide(ctx context.Context, call Call) (id *Identity, err error) {
	defer func() {
		if p := recover(); p != nil {
			id, err = nil, Errorf(AuthFailure, "panic while deciding %s: %v", call.Procedure, p)
		}
	}()
	if g.Authenticator == nil || g.Policy == nil {
		return nil, Errorf(AuthFailure, "the guard has no Authenticator or no Policy")
	}
	id, err = g.Authenticator.Authenticate(ctx, call)
	switch {
	case err == nil && id == nil:
		return nil, Errorf(AuthFailure, "the Authenticator returned neither an identity nor an error")
	case err != nil:
		refusal := AsError(err)
		if refusal.Reason != TokenMissing {
			return nil, refusal
		}
		id = nil
	}
	rule := g.Policy.Rule(call.Procedure)
	if rule == nil {
		if id == nil {
			return nil, err // an unknown method tells a stranger nothing
		}
		return id, Errorf(AuthFailure, "no rule for %s", call.Procedure)
	}
	return id, rule.Check(id)
}

// observe keeps a panicking Observer from turning a decision into a crash.
func (g *Guard) observe(ctx context.Context, d Decision) {
	defer func() { _ = recover() }()
	g.Observer.Observe(ctx, d)
}

// A Decision is what a Guard decided about one call. It holds no token.
type Decision struct {
	Procedure string
	Protocol  string
	Stream    StreamType
	Peer      string
	// Identity is nil when the caller is anonymous, or was refused before it
	// was known.
	Identity *Identity
	// Refusal is nil when the call was admitted.
	Refusal *Error
	// Duration is how long it took to decide.
	Duration time.Duration
}

// String returns a line for logs.
func (d Decision) String() string {
	outcome := "admitted"
	if d.Refusal != nil {
		outcome = d.Refusal.Reason.String()
	}
	return fmt.Sprintf("%s %s %s", d.Protocol, d.Procedure, outcome)
}

// An Observer is told of every decision, refusals too: for metrics, logs and
// audit. It is called on the call's own goroutine, so it should be quick, and
// must be safe for concurrent use. A panic in it is swallowed: it cannot turn a
// refusal into a pass, nor a pass into a crash.
type Observer interface {
	Observe(ctx context.Context, d Decision)
}

// ObserverFunc is a function that is an Observer.
type ObserverFunc func(ctx context.Context, d Decision)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, d Decision) { f(ctx, d) }
