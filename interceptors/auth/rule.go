package auth

import "time"

// A Policy knows the rule of each procedure. policy.Policy is one. It must be
// safe for concurrent use.
type Policy interface {
	// Rule returns the rule of the procedure, or nil when there is none, which
	// refuses every call.
	Rule(procedure string) Rule
}

// A Rule decides who may call one procedure. It must be safe for concurrent use.
type Rule interface {
	// Check returns nil when the caller may call and an *Error when not. The
	// identity is nil for a caller without a token.
	Check(id *Identity) error
}

// A LenientRule is a Rule for which a token that is not accepted can be the
// same as none.
type LenientRule interface {
	Rule
	// IgnoreInvalid reports whether a caller whose token is not accepted, or
	// could not be checked, is taken for one without a token. Where it is false
	// that caller is refused, on a public method too.
	IgnoreInvalid() bool
}

// A MessageRule is a Rule with a condition on the messages that are received.
// A call that it admits is not decided before every message was.
type MessageRule interface {
	Rule
	// CheckMessage returns nil when the caller, whom Check has let pass, may
	// send the message, and an *Error when not.
	CheckMessage(id *Identity, message any) error
}

// A StreamRule is a Rule that says how long the streams live that it admits.
// Those of any other Rule live by the zero StreamTerms.
type StreamRule interface {
	Rule
	Stream() StreamTerms
}

// StreamTerms are what binds an admitted stream to its caller's token.
type StreamTerms struct {
	// Lease says what happens to the stream when the token expires. The zero
	// value is LeaseRenewable.
	Lease LeaseMode
	// MaxLifetime ends the stream however long its token lasts. It ends up to a
	// twentieth earlier, each at another time, so that streams which were
	// opened together are not opened again together. 0 is a day.
	MaxLifetime time.Duration
}

// DefaultMaxLifetime is how long a stream may live by default.
const DefaultMaxLifetime = 24 * time.Hour

// A LeaseMode says how a stream is bound to the token that opened it. Whatever it
// says, revocation ends a stream at once: that of the token which opened it, of
// the one that renewed it last, or of what either belongs to.
type LeaseMode uint8

// The modes.
const (
	// LeaseRenewable streams go on for as long as their session does. They end when
	// the token expires, unless a successor has come with any call by then: a newer
	// token of the same issuer, subject, session, client, kind, organization, actor
	// and authorized party. The call itself may be refused by its own rule. The rule of
	// the stream is decided anew for the token, and a stream that it no longer permits
	// ends with the rule's reason. A stream that is opened with an older token than has
	// come already goes over to the newer one.
	//
	// Only a token of a session or of a machine has successors. The streams of any
	// other end with it, as by LeaseUntilExpiry.
	LeaseRenewable LeaseMode = iota
	// LeaseUntilExpiry streams end when the token does that opened them.
	LeaseUntilExpiry
	// LeaseAtOpen streams are decided when they are opened: they outlive their token,
	// until MaxLifetime.
	LeaseAtOpen
)
