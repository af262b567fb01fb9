package auth

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
