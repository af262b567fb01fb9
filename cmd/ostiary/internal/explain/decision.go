package explain

import (
	"fmt"
	"io"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/nearest"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/rules"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// explained is the decision about one call.
type explained struct {
	entry      policy.Entry
	identity   *auth.Identity // nil for nobody
	refusal    *auth.Error    // of the token; nil where it is accepted or there is none
	ignored    bool           // whether the rule takes a refused token for none
	unverified bool
	steps      policy.Explanation // for a refused token, those of nobody
}

func (e explained) write(w io.Writer) error {
	var b strings.Builder
	if e.unverified {
		b.WriteString("NOT VERIFIED: the token was not checked, and anybody could have written it.\n\n")
	}
	fmt.Fprintf(&b, "procedure  %s\n", terminal.OneLine(e.entry.Procedure))
	fmt.Fprintf(&b, "rule       %s (%s)\n", terminal.OneLine(e.entry.Access()), terminal.OneLine(rules.Source(e.entry.Origin)))
	fmt.Fprintf(&b, "caller     %s\n\n", terminal.OneLine(e.caller()))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, step := range e.checks() {
		line := []string{step.Outcome.String(), terminal.OneLine(step.Requirement)}
		if step.Detail != "" {
			line = append(line, terminal.OneLine(step.Detail))
		}
		fmt.Fprintln(table, strings.Join(line, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%s\n", e.outcome())
	_, err := io.WriteString(w, b.String())
	return err
}

// caller says who calls, and whether that is known.
func (e explained) caller() string {
	switch id := e.identity; {
	case e.refusal != nil:
		return "unknown: the token is not accepted, " + e.refusal.Reason.String()
	case id == nil:
		return "anonymous: there is no token"
	default:
		who := fmt.Sprintf("%s of %s, with a token of kind %v", id.Subject, id.Issuer, id.Kind)
		if id.Organization.ID != "" {
			who += fmt.Sprintf(", in organization %s with role %s", id.Organization.ID, id.Organization.Role)
		}
		if e.unverified {
			return who + ", if the token's claims are true"
		}
		return who + ", verified"
	}
}

// checks are the rule's, and before them what a public method makes of a token.
func (e explained) checks() policy.Explanation {
	public := len(e.steps) == 0
	switch {
	case public && e.refusal == nil:
		return policy.Explanation{{Requirement: "nothing: the method is open to anybody", Outcome: policy.Met}}
	case public && e.ignored:
		return policy.Explanation{{Requirement: "nothing: a token that is not accepted is ignored", Outcome: policy.Met, Detail: e.whyNot()}}
	case public:
		return policy.Explanation{{Requirement: "no token, or a valid one", Outcome: policy.Unmet, Detail: e.whyNot(), Reason: e.refusal.Reason}}
	case e.refusal == nil:
		return e.steps
	}
	steps := append(policy.Explanation(nil), e.steps...)
	steps[0].Detail, steps[0].Reason = e.whyNot(), e.refusal.Reason
	return steps
}

// whyNot includes the cause, which no caller receives: this command shows it to the
// operator, who knows the settings.
func (e explained) whyNot() string {
	why := e.refusal.Error()
	if cause := e.refusal.Unwrap(); cause != nil {
		why += " (" + cause.Error() + ")"
	}
	return why
}

func (e explained) outcome() string {
	checks := e.checks()
	switch checks.Outcome() {
	case policy.Met:
		return "allowed"
	case policy.Undecided:
		return "undecided: allowed if the undecided checks above hold"
	default:
		for _, step := range checks {
			if step.Outcome == policy.Unmet {
				return "refused: " + step.Reason.String()
			}
		}
		return "refused"
	}
}

// undecidedStatus is for a call of which the request or the handler decides.
const undecidedStatus = 3

// statusOf says the outcome to scripts; the output has it already.
func statusOf(outcome policy.Outcome) error {
	switch outcome {
	case policy.Met:
		return nil
	case policy.Unmet:
		return usage.StatusError(1)
	default:
		return usage.StatusError(undecidedStatus)
	}
}

// unknownProcedure says which methods have a name like the one that has no rule.
func unknownProcedure(name string, entries []policy.Entry) error {
	known := make([]string, len(entries))
	for i, entry := range entries {
		known[i] = entry.Procedure
	}
	names := nearest.ToBy(known, func(procedure string) (distance, letters int) {
		// The method's own name counts most: services are easily mistaken.
		own := path.Base(procedure)
		return min(nearest.Distance(name, procedure), 1+nearest.Distance(path.Base(name), own)), len(own)
	})
	if len(names) == 0 {
		return fmt.Errorf("no method %q has a rule; for those that do, run: ostiary policy list", name)
	}
	return fmt.Errorf("no method %q has a rule; did you mean %s?", name, strings.Join(names, " or "))
}
