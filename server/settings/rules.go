package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/status/v1/statusv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/token/v1/tokenv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Rules returns the rules of a Server with these Config.Rules: those of the schema and
// the built-in ones, replaced by the ones given here.
//
// Its error is a [policy.RuleErrors] if a rule is invalid, applies to nothing that a
// Server has, or makes a method public that must know its caller.
func Rules(overrides ...policy.Option) (*policy.Policy, error) {
	schema := []policy.Option{
		policy.Services(Services()...),
		condition.Enable(),
	}
	served, err := policy.New(schema...)
	if err != nil || len(overrides) == 0 {
		return served, err
	}
	// Each is tried alone, so that the fault of one does not hide that of another.
	var faults policy.RuleErrors
	own := make(map[string]policy.Source) // by method: the greatest source of a rule for it alone
	note := func(procedure string, origin policy.Origin) {
		if origin.Service == "" {
			own[procedure] = max(own[procedure], origin.Source)
		}
	}
	for _, override := range overrides {
		rules, err := policy.New(slices.Concat(schema, []policy.Option{override})...)
		var broken policy.RuleErrors
		switch {
		case errors.As(err, &broken):
			for _, fault := range broken {
				note(fault.Procedure, fault.Origin)
			}
		case err != nil:
			return nil, err
		default:
			broken = misplaced(served, rules)
			for _, entry := range rules.Entries() {
				note(entry.Procedure, entry.Origin)
			}
		}
		faults = append(faults, broken...)
	}
	faults = slices.DeleteFunc(faults, func(fault *policy.RuleError) bool { // of a service's rule that is not the method's
		return fault.Origin.Service != "" && own[fault.Procedure] >= fault.Origin.Source
	})
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(x, y *policy.RuleError) int { return strings.Compare(x.Procedure, y.Procedure) })
		return nil, faults
	}
	return policy.New(slices.Concat(schema, overrides)...)
}

// misplaced returns a fault for each valid rule that does not fit what is served.
func misplaced(served, rules *policy.Policy) policy.RuleErrors {
	var faults policy.RuleErrors
	for _, entry := range rules.Entries() {
		var problem error
		switch {
		case served.Rule(entry.Procedure) == nil:
			problem = errors.New("this server has no such method; correct the name, or see: ostiary policy list")
		case ofOurOwn(entry.Procedure) && rules.Rule(entry.Procedure).Check(nil) == nil:
			problem = errors.New("only health and reflection can be public: use authenticated or require")
		default:
			continue
		}
		faults = append(faults, &policy.RuleError{Procedure: entry.Procedure, Origin: entry.Origin, Err: problem})
	}
	return faults
}

// ofOurOwn reports whether the procedure is a method of Services(): those of health and
// reflection are not.
func ofOurOwn(procedure string) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	return slices.Contains(Services(), service)
}

// UnmeetableRules returns a fault for each rule that no token of the issuers can meet, by
// their profiles, claims and kinds; nil if there is none, or nothing is known of an
// issuer whose settings are at fault.
func UnmeetableRules(rules *policy.Policy, issuers []Issuer) policy.RuleErrors {
	all, known := capabilities(issuers)
	if !known {
		return nil
	}
	return rules.Unmeetable(all)
}

// capabilities returns what tokens of the issuers can have. It is not known where the
// settings of one are at fault, which its own faults say.
func capabilities(issuers []Issuer) (all []auth.IssuerCapabilities, known bool) {
	for _, issuer := range issuers {
		profile, err := issuer.TokenProfile()
		if issuer.URL == "" || err != nil {
			return nil, false
		}
		trusted := token.Issuer{URL: issuer.URL, Profile: profile, Kinds: issuer.Kinds, Audiences: issuer.Audiences}
		all = append(all, trusted.Capabilities())
	}
	return all, true
}

// ruleFaults returns what is wrong with Rules.
func (c Config) ruleFaults() []Fault {
	rules, err := Rules(c.Rules...)
	var broken policy.RuleErrors
	switch {
	case err == nil:
		broken = UnmeetableRules(rules, c.Issuers)
	case !errors.As(err, &broken):
		return nil // New returns any other error
	}
	faults := make([]Fault, len(broken))
	for i, fault := range broken {
		faults[i] = ruleFault(fault)
	}
	return faults
}

// ruleFault names the setting that gives the rule, or else the place in the schema.
func ruleFault(fault *policy.RuleError) Fault {
	if fault.Origin.File != "" && fault.Origin.Source != policy.SourceSettings {
		return Fault{Setting: fault.Origin.String(), Err: fmt.Errorf("%s: %w", fault.Procedure, fault.Err)}
	}
	name, err := fault.Procedure, fault.Err
	if service := "/" + fault.Origin.Service + "/"; fault.Origin.Service != "" {
		if method := strings.TrimPrefix(name, service); method != "*" {
			err = fmt.Errorf("%s: %w", method, err)
		}
		name = service + "*"
	}
	return Fault{Setting: "rules[" + name + "]", Err: err}
}

// Services are the names of those whose calls are guarded by their own rules.
func Services() []string {
	return []string{
		identityv1connect.IdentityServiceName,
		sessionv1connect.SessionServiceName,
		revocationv1connect.RevocationServiceName,
		accessv1connect.AccessServiceName,
		decisionv1connect.DecisionServiceName,
		statusv1connect.StatusServiceName,
		tokenv1connect.TokenServiceName,
		feedv1connect.FeedServiceName,
	}
}
