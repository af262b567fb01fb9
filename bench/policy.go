package main

import (
	"context"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"

	"github.com/ostiary/ostiary/bench/measure"
)

// decisions measures what a rule costs once it is known who is calling: finding
// it by its procedure, and asking it.
func decisions(ctx context.Context, effort effort) ([]measure.Table, error) {
	caller := &auth.Identity{
		Issuer: "https://clerk.example.com", Subject: "user_ada", Kind: auth.KindSession,
		Roles:       []string{"org:admin"},
		Permissions: []string{"org:invoices:read", "org:invoices:manage", "org:teams:read", "org:billing:read"},
		Scopes:      []string{"profile", "email"},
	}
	rules := []struct {
		name string
		rule *policyv1.Rule
	}{
		{"authenticated", &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}},
		{"one permission", require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}})},
		{"a role, two permissions and a scope", require(&policyv1.Require{
			AnyRole:        []string{"org:owner", "org:admin"},
			AllPermissions: []string{"org:teams:read", "org:billing:read"},
			AllScopes:      []string{"email"},
		})},
	}
	section := measure.Section{
		Name:  "policy",
		Title: "Deciding",
		Note:  "Finding the rule of a procedure and holding an identity against it.",
		Unit:  "ns",
	}
	const procedure = "/acme.invoice.v1.InvoiceService/GetInvoice"
	for _, r := range rules {
		compiled, err := policy.New(policy.Override(procedure, r.rule))
		if err != nil {
			return nil, err
		}
		section.Contenders = append(section.Contenders, measure.Contender{
			Name: r.name, Ours: true,
			Goals:   []measure.Goal{{Of: measure.Allocs}},
			Measure: measure.CPU(effort.turn, func(int) error { return compiled.Rule(procedure).Check(caller) }),
		})
	}
	return one(ctx, section, effort.rounds)
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}
