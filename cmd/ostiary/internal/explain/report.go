// Package explain has the commands that say what a server makes of a token, and of a call with it.
//
//	report := explain.New(explanation)
//	report.Ask(db.Revoked(identity))
//	err := report.WriteChecks(os.Stdout)
package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

// The outcomes of a check.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped" // since an earlier check failed, or nobody was asked
)

// A Check is one check, and what was compared.
type Check struct {
	Name       string `json:"name"`
	Outcome    string `json:"outcome"`
	Configured string `json:"configured,omitempty"`
	Received   string `json:"received,omitempty"`
	Reason     string `json:"reason,omitempty"` // of a check that failed
	Cause      string `json:"cause,omitempty"`
}

// An Answer is what a server would answer.
type Answer struct {
	Admitted   bool   `json:"admitted"`
	Undecided  bool   `json:"undecided,omitempty"` // since the request or the handler decides
	Reason     string `json:"reason,omitempty"`
	Code       string `json:"code,omitempty"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Message    string `json:"message,omitempty"`
	Cause      string `json:"cause,omitempty"` // which a server writes to its log alone
}

// A Report is every check of a token, and the answer to a call with it.
type Report struct {
	Checks []Check `json:"checks"`
	// Verified says that the signature holds, so that the issuer has said what was received.
	Verified bool `json:"verified"`
	// Rule is that of the method which was asked about; nil where none was. For a token that
	// is refused its outcome is as if it were accepted.
	Rule   *Rule  `json:"rule,omitempty"`
	Answer Answer `json:"answer"`
}

// A Rule is that of a method, and its checks.
type Rule struct {
	Procedure string     `json:"procedure"`
	Access    string     `json:"access"`
	Outcome   string     `json:"outcome"`
	Checks    []RuleStep `json:"checks"`
}

// A RuleStep is one check of a rule.
type RuleStep struct {
	Requirement string `json:"requirement"`
	Outcome     string `json:"outcome"`
	Detail      string `json:"detail,omitempty"`
}

// NewRule returns the rule of a method with its checks.
func NewRule(entry policy.Entry, checks policy.Explanation) *Rule {
	r := &Rule{Procedure: entry.Procedure, Access: entry.Access(), Outcome: checks.Outcome().String()}
	for _, step := range checks {
		r.Checks = append(r.Checks, RuleStep{Requirement: step.Requirement, Outcome: step.Outcome.String(), Detail: step.Detail})
	}
	return r
}

// Decide makes the decision about the method the answer, unless the token was refused before.
func (r *Report) Decide(checks policy.Explanation, tokenRefused bool) {
	switch checks.Outcome() {
	case policy.Met:
		r.answer(nil)
	case policy.Undecided:
		r.Answer = Answer{Undecided: true}
	case policy.Unmet:
		for _, step := range checks {
			if step.Outcome == policy.Unmet && !tokenRefused {
				r.answer(auth.NewError(step.Reason, nil))
				return
			}
		}
	}
}

// New returns the report of an explanation. Whether the token was revoked was not asked.
func New(explanation token.Explanation) *Report {
	r := &Report{Verified: explanation.Verified()}
	for _, check := range explanation {
		row := Check{Name: check.Name, Outcome: Passed, Configured: check.Configured, Received: check.Received}
		switch {
		case check.Skipped:
			row.Outcome = Skipped
		case check.Refusal != nil:
			row.fail(check.Refusal)
		}
		r.Checks = append(r.Checks, row)
	}
	r.Checks = append(r.Checks, Check{Name: "revocation", Outcome: Skipped, Configured: "not revoked", Received: "not asked: with --store, the database is"})
	r.answer(explanation.Refusal())
	return r
}

// Ask puts in whether the token is revoked, by the error of who was asked.
func (r *Report) Ask(refusal error) {
	last := &r.Checks[len(r.Checks)-1]
	last.Outcome, last.Received = Passed, "not revoked"
	if refusal == nil {
		return
	}
	last.Received = "revoked"
	last.fail(auth.AsError(refusal))
	if r.Answer.Admitted {
		r.answer(auth.AsError(refusal))
	}
}

// CannotAsk puts in why nobody could be asked whether the token is revoked.
func (r *Report) CannotAsk(why string) { r.Checks[len(r.Checks)-1].Received = "not asked: " + why }

func (c *Check) fail(refusal *auth.Error) {
	c.Outcome, c.Reason = Failed, refusal.Reason.String()
	if cause := refusal.Unwrap(); cause != nil {
		c.Cause = cause.Error()
	}
}

func (r *Report) answer(refusal *auth.Error) {
	if r.Answer = (Answer{Admitted: refusal == nil}); refusal == nil {
		return
	}
	r.Answer.Reason, r.Answer.Code, r.Answer.Message = refusal.Reason.String(), refusal.Code().String(), refusal.Sentence()
	r.Answer.HTTPStatus = refusal.Code().HTTPStatus()
	if cause := refusal.Unwrap(); cause != nil {
		r.Answer.Cause = cause.Error()
	}
}

// WriteJSON writes the report as one line of JSON.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteChecks writes the checks as a table for people.
func (r *Report) WriteChecks(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tOUTCOME\tCONFIGURED\tRECEIVED")
	for _, check := range r.Checks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", check.Name, check.Outcome, terminal.OneLine(cmp.Or(check.Configured, "-")), terminal.OneLine(cmp.Or(check.Received, "-")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var note string
	if !r.Verified {
		note = "\nNOT VERIFIED: the signature was not found to hold, and anybody could have written what was received.\n"
	}
	for _, check := range r.Checks {
		if check.Cause != "" {
			note += fmt.Sprintf("\n%s: %s", check.Name, terminal.OneLine(check.Cause))
		}
	}
	_, err := fmt.Fprintln(w, note)
	return err
}

// WriteAnswer writes the answer as a line for people.
func (r *Report) WriteAnswer(w io.Writer) error {
	if r.Answer.Admitted || r.Answer.Undecided {
		line := "the server would admit it"
		if r.Answer.Undecided {
			line = "the server would admit it, if the undecided checks above hold"
		}
		_, err := fmt.Fprintln(w, line)
		return err
	}
	a := r.Answer
	_, err := fmt.Fprintf(w, "the server would refuse it: %s (%s, HTTP %d): %s\n", a.Reason, a.Code, a.HTTPStatus, terminal.OneLine(a.Message))
	return err
}
