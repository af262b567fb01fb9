package policy

import "github.com/ostiary/ostiary/interceptors/auth"

// Explain returns the checks of a procedure's rule, in order, each with its outcome
// for a caller. A nil caller has no token. Unlike a decision, it does not stop at the
// first check that fails. It returns false if the procedure has no rule.
func (p *Policy) Explain(procedure string, id *auth.Identity) (Explanation, bool) {
	rule, ok := p.rules[procedure]
	if !ok {
		return nil, false
	}
	return rule.explain(id), true
}

// An Explanation is every check of a rule, in order. That of a public method has
// none.
type Explanation []Step

// Outcome returns Unmet when any step is unmet, else Undecided when any is
// undecided, else Met: the caller may call.
func (e Explanation) Outcome() Outcome {
	outcome := Met
	for _, step := range e {
		switch step.Outcome {
		case Unmet:
			return Unmet
		case Undecided:
			outcome = Undecided
		case Met:
		}
	}
	return outcome
}

// A Step is one check of a rule.
type Step struct {
	// Requirement says in words what is asked for. It is the schema's, and so
	// for those who may read the schema.
	Requirement string
	// Reason is why a caller who does not meet it is refused. It says nothing of
	// what the handler asks, which refuses by whatever reason it likes: there it
	// is the zero value, [auth.AuthFailure].
	Reason auth.Reason
	// Outcome says whether the caller meets it.
	Outcome Outcome
	// Detail says what is missing, or what it depends on; empty where nothing is.
	Detail string
	// Handler is set if the handler checks it, and not the rule. Only its description
	// is known. It is the last step.
	Handler bool
}

// An Outcome says whether a caller meets a check. The zero value is Undecided.
type Outcome uint8

// The outcomes.
const (
	Undecided Outcome = iota // it depends on the request, on who is calling, or on the handler
	Met
	Unmet
)

var outcomeNames = [...]string{"undecided", "met", "unmet"}

// String returns the name for tables.
func (o Outcome) String() string {
	if int(o) >= len(outcomeNames) {
		o = Undecided
	}
	return outcomeNames[o]
}

func (r *rule) explain(id *auth.Identity) Explanation {
	return append(r.checks(id), r.byHandler()...)
}

func (r *messageRule) explain(id *auth.Identity) Explanation {
	steps := append(r.checks(id), Step{
		Requirement: conditionInWords(r.text),
		Reason:      auth.ConditionNotMet,
		Detail:      "it depends on the request",
	})
	return append(steps, r.byHandler()...)
}

// checks are those that need no message.
func (r *rule) checks(id *auth.Identity) Explanation {
	if r.public {
		return nil
	}
	token := Step{Requirement: "a valid token", Reason: auth.TokenMissing, Outcome: Met}
	if id == nil {
		token.Outcome, token.Detail = Unmet, "there is no token"
	}
	steps := Explanation{token}
	for _, requirement := range r.requirements {
		step := Step{Requirement: requirement.String(), Reason: requirement.reason()}
		if id != nil {
			step.Outcome = Met
			if missing := requirement.unmet(id); missing != nil {
				step.Outcome, step.Detail = Unmet, missing.Error()
			}
		}
		steps = append(steps, step)
	}
	return steps
}

func (r *rule) byHandler() Explanation {
	if r.handler == "" {
		return nil
	}
	return Explanation{{
		Requirement: r.handler,
		Detail:      "the handler decides",
		Handler:     true,
	}}
}
