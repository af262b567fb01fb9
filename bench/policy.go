package main

import (
	"context"
	"fmt"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"

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
		SessionID:   "sess_1", Organization: auth.Organization{ID: "org_acme", Role: "org:admin"},
		Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: &auth.FactorAges{First: time.Minute, Second: time.Minute},
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
		{"every part but a condition", require(&policyv1.Require{
			Kinds: []policyv1.Kind{policyv1.Kind_KIND_SESSION}, Organization: true,
			AnyRole: []string{"org:admin"}, AllPermissions: []string{"org:invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"},
			Reverification: &policyv1.Reverification{Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT}},
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
			Goals:   []measure.Goal{{Of: measure.Value, Limit: 200}, {Of: measure.Allocs}},
			Measure: measure.CPU(effort.turn, func(int) error { return compiled.Rule(procedure).Check(caller) }),
		})
	}
	onRequest, err := conditions(caller, effort)
	if err != nil {
		return nil, err
	}
	section.Contenders = append(section.Contenders, onRequest...)
	return one(ctx, section, effort.rounds)
}

// conditions are on the request as well, which is there already.
func conditions(caller *auth.Identity, effort effort) ([]measure.Contender, error) {
	request := &sessionv1.RevokeSessionRequest{SessionId: "sess_1", Issuer: caller.Issuer}
	var contenders []measure.Contender
	for _, c := range []struct{ name, text string }{
		{"a condition", "request.session_id == identity.session_id"},
		{"a condition of three parts", "request.issuer == identity.issuer && (identity.hasRole('owner') || request.session_id == identity.session_id)"},
	} {
		compiled, err := policy.New(
			policy.Services(sessionv1.SessionService_ServiceDesc.ServiceName),
			policy.Override(sessionv1.SessionService_RevokeSession_FullMethodName, require(&policyv1.Require{Condition: c.text})),
			condition.Evaluator(),
		)
		if err != nil {
			return nil, err
		}
		rule, ok := compiled.Rule(sessionv1.SessionService_RevokeSession_FullMethodName).(auth.MessageRule)
		if !ok {
			return nil, fmt.Errorf("%s does not look at the request", c.text)
		}
		contenders = append(contenders, measure.Contender{
			Name: c.name, Ours: true,
			Goals:   []measure.Goal{{Of: measure.Value, Limit: 2000}},
			Measure: measure.CPU(effort.turn, func(int) error { return rule.CheckMessage(caller, request) }),
		})
	}
	return contenders, nil
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}
