// Package auth is the vocabulary of ostiary: who is calling ([Identity]), what
// they call ([Call]), why they are refused ([Error], [Reason]), and the one
// thing that every transport asks ([Guard]).
//
// A handler reads who is calling from its context:
//
//	id, ok := auth.FromContext(ctx)
//	if !ok {
//		// a public method, called without a token
//	}
//	log.Println(id.Subject, id.SessionID)
//
// A server is guarded by giving a Guard to the adapter of its transport:
// connectauth for connect-go, grpcauth for grpc-go, httpauth for net/http.
// ostiary.New makes one. The Guard wants an [Authenticator] (token.Verifier is one) and a [Policy]
// (policy.Policy is one); both are interfaces, so either can be your own.
//
// A caller can keep the body of a call back, so the Guard is asked again when the
// request is there ([Guard.CheckRequest]).
//
// A stream, or a request of net/http, lives on after the decision, so it holds a lease ([StreamTerms]): it
// ends when the token does, goes on when any call of the same caller brings a newer
// token, and ends at once when one of the two is revoked. [CurrentIdentity] and [WatchIdentity]
// return the identity of the newest token.
//
// The package knows no transport.
package auth

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/internal/logtext"
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
	// LoadUser returns the application's own user for an identity, which handlers get
	// from [User]:
	//
	//	guard.LoadUser = func(ctx context.Context, id *auth.Identity) (any, error) {
	//		return store.UserBySubject(ctx, id.Subject)
	//	}
	//
	// It is called once for each admitted call, before the Observer sees the decision,
	// with a context that carries the identity: so refused callers cost no look-up,
	// except those refused by a condition on the request message, which is not there
	// yet. It is not called for anonymous callers. For a stream it is called again at
	// each renewal, with a context of the stream, and the call that brings the newer
	// token waits for it.
	//
	// Its error refuses the call, or ends the stream. An *Error counts as it is: return
	// UserUnavailable where the database does not answer, so that clients try again. Any
	// other error, and a panic, is AuthFailure. Where there is neither an error nor a user,
	// so that it has returned nil, or a pointer, map, slice, function or channel that is nil,
	// the refusal is UserUnknown. If the call has ended before, so that the look-up was given
	// up, it is UserUnavailable with CodeCanceled or CodeDeadlineExceeded, and no fault of the
	// server.
	//
	// It is also called for a public method that is called with a token. If there is a method
	// for signing up, return a value of another type for callers without an account: User of
	// your type then reports false.
	//
	// Nothing is cached. It must be safe for concurrent use. Optional.
	LoadUser func(ctx context.Context, id *Identity) (any, error)
	// ResourceMetadata is the URL of what is published about this API for OAuth
	// clients (RFC 9728), which challenges then name. Default: none.
	ResourceMetadata string
	// MaxStreamsPerSubject is how many streams a subject of an issuer may have open at once, and
	// requests to handlers of net/http, which hold a lease as well. One more is refused with
	// TooManyStreams. 0 or less is any number.
	MaxStreamsPerSubject int
	// MaxStreams is how many there may be in all, of which callers without a token can have
	// half, so that strangers do not keep out whom the server knows. One more is refused with
	// TooManyStreams and the advice to try again. 0 or less is any number.
	MaxStreams int
	// Now is the clock that ends streams; let it be the Authenticator's. nil is
	// time.Now.
	Now func() time.Time

	// Logger gets the panic of a handler whose stream had ended, since nobody is left whom
	// it could reach otherwise; and what [Guard.WarnOfRule] says. nil is slog.Default(). To
	// log nothing: slog.New(slog.DiscardHandler).
	Logger *slog.Logger

	guarded sync.Map // see MarkGuarded
	streams
}

// Close ends the watches of the Revocations and of the Authenticator, which may live on. It
// closes the Authenticator, if that can be closed, as a token.Verifier can, which then fetches
// no keys any more. Call it when nothing is served any more. A guard that was closed refuses
// more and more, and accepts nothing that it should not: a stream that is opened afterwards
// is watched again.
func (g *Guard) Close() error {
	g.unwatch()
	if c, ok := g.Authenticator.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Admit decides about a call. It returns the context for the handler, derived
// from ctx and carrying the caller's identity, or an *Error.
//
// The context that comes with an *Error has the id of the call, for [RequestID].
//
// Before the handler has the request, an adapter gives it to CheckRequest, or
// serves the stream under its lease, with the context that Admit returned.
func (g *Guard) Admit(ctx context.Context, call Call) (context.Context, error) {
	decided, tracked := ctx.Value(decidedKey{}).(*atomic.Bool)
	var start time.Time
	if g.Observer != nil {
		start = time.Now()
	}
	call.RequestID = requestIDOf(ctx, &call)
	a, id, refusal := g.decide(ctx, &call)
	if a != nil {
		ctx = a
	} else {
		ctx = &identified{ctx, call.RequestID}
	}
	if g.Observer != nil {
		if fault := g.observe(ctx, &call, id, refusal, start); refusal == nil {
			refusal = fault
		}
	}
	if tracked {
		decided.Store(true)
	}
	if refusal != nil {
		return ctx, refusal
	}
	return ctx, nil
}

// decide returns the context of an admitted call, or the refusal; and who is
// calling, as far as that is known.
func (g *Guard) decide(ctx context.Context, call *Call) (a *admitted, id *Identity, refusal *Error) {
	defer recoverAs(&refusal, "deciding")
	if g.Authenticator == nil || g.Policy == nil {
		return nil, nil, Errorf(AuthFailure, "the guard has no Authenticator or no Policy")
	}
	rule := g.Policy.Rule(call.Procedure)
	id, err := g.authenticate(ctx, call)
	if id != nil && g.leases.Renewable() {
		// Even if this call's own rule refuses it, the token renews the session's streams.
		// Each asks its own rule.
		g.renew(call, id) //nolint:contextcheck // with contexts of the streams
	}
	if err != nil {
		err = refusalUnlessIgnored(AsError(err), rule)
	}
	if err == nil {
		err = checkRule(call, rule, id)
	}
	if err != nil {
		return nil, id, AsError(err)
	}
	admission := g.admit(ctx, call, id, rule)
	if id != nil {
		if admission.user, refusal = g.loadUser(admission, id); refusal != nil { //nolint:contextcheck // admission is derived from ctx
			return nil, id, refusal
		}
	}
	return admission, id, nil
}

// checkRule asks the rule about the caller, who is nil without a token.
func checkRule(call *Call, rule Rule, id *Identity) error {
	if rule == nil {
		if id == nil {
			return NewError(TokenMissing, nil) // a stranger learns nothing of an unknown method
		}
		return Errorf(AuthFailure, "no rule for %s", call.Procedure)
	}
	if _, reads := rule.(MessageRule); reads && !call.Messages {
		if id == nil {
			if err := rule.Check(nil); err != nil {
				return err // a stranger learns nothing of the condition
			}
		}
		return Errorf(AuthFailure, "the rule of %s has a condition on the request message, which this transport does not show it", call.Procedure)
	}
	return rule.Check(id)
}

// authenticate says who is calling with a token that counts.
func (g *Guard) authenticate(ctx context.Context, call *Call) (*Identity, error) {
	id, err := g.Authenticator.Authenticate(ctx, *call)
	if err == nil && id == nil {
		err = Errorf(AuthFailure, "the Authenticator returned neither an identity nor an error")
	}
	if err != nil {
		return nil, err
	}
	if err := g.revoked(id); err != nil {
		return nil, err
	}
	return id, nil
}

// revoked returns the refusal of a token that was revoked.
func (g *Guard) revoked(id *Identity) error {
	if g.Revocations == nil {
		return nil
	}
	if err := g.Revocations.Revoked(id); err != nil {
		return AsVerified(err, id.VerifiedToken())
	}
	return nil
}

// refusalUnlessIgnored returns the refusal of a caller whose token was not accepted, and
// nil where that caller counts as one without a token.
func refusalUnlessIgnored(refusal *Error, rule Rule) error {
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

// observe shows the Observer a decision, and returns its panic as a refusal.
func (g *Guard) observe(ctx context.Context, call *Call, id *Identity, refusal *Error, start time.Time) (fault *Error) {
	var took time.Duration
	if !start.IsZero() {
		took = time.Since(start)
	}
	return g.show(ctx, call, Decision{Identity: id, Refusal: refusal, Duration: took})
}

// show is observe for a decision that says nothing of its call yet.
func (g *Guard) show(ctx context.Context, call *Call, d Decision) (fault *Error) {
	if g.Observer == nil {
		return nil
	}
	defer recoverAs(&fault, "observing a decision")
	d.RequestID, d.Procedure, d.Protocol, d.Stream, d.Peer = call.RequestID, call.Procedure, call.Protocol, call.Stream, call.Peer
	if d.Identity != nil && d.Refusal == nil && call.Header != nil {
		if values := call.Header.Values("User-Agent"); len(values) > 0 {
			d.UserAgent = values[0]
		}
	}
	g.Observer.Observe(ctx, d)
	return nil
}

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
	refusal := g.stillCounts(id, true)
	var start time.Time
	if refusal == nil && a.messages != nil {
		if g.Observer != nil {
			start = time.Now()
		}
		refusal = a.check(id, message)
	}
	if refusal == nil {
		return nil
	}
	_ = g.observe(ctx, &a.call, id, refusal, start)
	return refusal
}

// stillCounts returns why the token of an admitted caller no longer counts: because
// it has expired, where that is asked, or was withdrawn.
func (g *Guard) stillCounts(id *Identity, expiry bool) (refusal *Error) {
	if id == nil {
		return nil
	}
	defer recoverAs(&refusal, "asking whether a token still counts")
	if expiry && !id.ExpiresAt.IsZero() {
		if now := g.clock(); !now.Before(id.ExpiresAt.Add(id.Leeway)) {
			return NewError(TokenExpired, errors.New(logtext.Expired(id.ExpiresAt, now, id.Leeway)))
		}
	}
	var err error
	if id.Key != nil {
		err = id.Key.Withdrawn()
	}
	if err == nil && g.Revocations != nil {
		err = g.Revocations.Revoked(id)
	}
	if err != nil {
		return AsError(err)
	}
	return nil
}

// check asks the rule about a message.
func (a *admitted) check(id *Identity, message any) (refusal *Error) {
	defer recoverAs(&refusal, "deciding on a message")
	if err := a.messages.CheckMessage(id, message); err != nil {
		return AsError(err)
	}
	return nil
}

// recoverAs is deferred where code is called that is not the guard's own. It
// turns a panic of that code into a refusal.
func recoverAs(refusal **Error, doing string) {
	if p := recover(); p != nil {
		*refusal = Errorf(AuthFailure, "panic while %s: %v", doing, p)
	}
}

func (g *Guard) log() *slog.Logger { return cmp.Or(g.Logger, slog.Default()) }

func (g *Guard) clock() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}
