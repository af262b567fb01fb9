package main

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

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
	fmt.Fprintf(&b, "procedure  %s\n", oneLine(e.entry.Procedure))
	fmt.Fprintf(&b, "rule       %s (%s)\n", oneLine(e.entry.Access()), oneLine(source(e.entry.Origin)))
	fmt.Fprintf(&b, "caller     %s\n\n", oneLine(e.caller()))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, step := range e.checks() {
		line := []string{step.Outcome.String(), oneLine(step.Requirement)}
		if step.Detail != "" {
			line = append(line, oneLine(step.Detail))
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
		return statusError(1)
	default:
		return statusError(undecidedStatus)
	}
}

// unknownProcedure says which methods have a name like the one that has no rule.
func unknownProcedure(name string, entries []policy.Entry) error {
	type candidate struct {
		procedure string
		distance  int
	}
	var near []candidate
	for _, entry := range entries {
		// The method's own name counts most: services are easily mistaken.
		d := min(distance(name, entry.Procedure), 1+distance(path.Base(name), path.Base(entry.Procedure)))
		if d <= max(2, len(path.Base(entry.Procedure))/3) {
			near = append(near, candidate{entry.Procedure, d})
		}
	}
	if len(near) == 0 {
		return fmt.Errorf("no method %q has a rule; for those that do, run: ostiary policy list", name)
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range near[:min(3, len(near))] {
		names = append(names, c.procedure)
	}
	return fmt.Errorf("no method %q has a rule; did you mean %s?", name, strings.Join(names, " or "))
}

// distance is how many letters must be added, removed or replaced to make one
// name of the other, in lower case (Levenshtein's).
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
