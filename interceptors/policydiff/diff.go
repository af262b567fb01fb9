// Package policydiff compares the rules of two schemas: what does a change mean for
// who may call each method?
//
//	before, err := policydiff.ReadImage(old)
//	after, err := policydiff.ReadImage(new)
//	for _, change := range policydiff.Diff(before, after) {
//		fmt.Println(change.Verdict, change.Procedure, change.Text)
//	}
//
// It is for tools, such as a check of each pull request. A server needs only
// package policy.
package policydiff

import (
	"cmp"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
)

// Diff returns what the change from one schema to another means for who may call,
// sorted by procedure. Another spelling of the same rule is no change: a rule that
// moved to the service's default, another order of names, a preset written as minutes
// and level, a condition with other spaces.
//
// If the second schema admits a call that the first refuses, at least one of the changes
// of its procedure loosens.
//
// Rules are compared as they are written, so a schema with invalid rules can be
// compared too; [policy.New] returns its faults. A method without a usable rule is one
// that nobody can call, because a server with it does not start. Health and reflection
// have the built-in rules unless their schema gives them others.
//
// Every method of the given files is compared, with the same method of the other
// side's files and of what they import. A new method is also compared with the removed
// ones that it may have been under another name.
func Diff(before, after []protoreflect.FileDescriptor) []Change {
	was, is := declaredIn(before), declaredIn(after)
	renaming := newRenaming(was, is)
	var changes []Change
	for _, procedure := range ownOfEither(was, is) {
		old, now := was[procedure], is[procedure]
		c := comparison{procedure: procedure}
		switch {
		case now == nil:
			c.origin = old.Origin
			c.add(Stricter, "the method was removed")
		case now.err != nil || old != nil && old.err != nil:
			c.origin = now.Origin
			c.add(Undecidable, "the rule cannot be read; ask policy check for the remedy")
		case old == nil:
			c.origin, c.is = now.Origin, now.of()
			c.added("a new method")
			c.renamed(renaming.former(now))
		default:
			c.origin, c.was, c.is = now.Origin, old.of(), now.of()
			// A built-in rule whose method only one of the schemas has is about that method.
			c.was.method, c.is.method = cmp.Or(c.was.method, c.is.method), cmp.Or(c.is.method, c.was.method)
			c.compare()
		}
		changes = append(changes, c.changes...)
	}
	return changes
}

// A Change is one thing that a change of the schema does to who may call a
// method.
type Change struct {
	// Procedure is such as /acme.invoice.v1.InvoiceService/GetInvoice.
	Procedure string
	// Origin is where the rule is now; that of a removed method is where it was.
	Origin policy.Origin
	// Verdict says whether more callers may call than before.
	Verdict Verdict
	// Text says in words what has changed.
	Text string
}

// A Verdict says what a change does to who may call. The zero value is
// Different.
type Verdict uint8

// The verdicts.
const (
	Different   Verdict = iota // nobody gains or loses access, as with a new method that requires a token
	Stricter                   // some callers lose access and none gain it
	Looser                     // somebody may call who could not
	Undecidable                // cannot be decided, such as which of two conditions lets more callers pass
)

var verdictNames = [...]string{"different", "stricter", "looser", "undecidable"}

// String returns the name for tables.
func (v Verdict) String() string {
	if int(v) >= len(verdictNames) {
		v = Undecidable
	}
	return verdictNames[v]
}

// Loosens reports whether the change may let somebody call who could not. What
// cannot be decided may.
func (v Verdict) Loosens() bool { return v == Looser || v == Undecidable }
