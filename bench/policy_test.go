package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
)

func BenchmarkPolicy(b *testing.B) {
	ada := &auth.Identity{
		Issuer: issuer.URL, Subject: "user_ada", Kind: auth.KindSession,
		Roles:       []string{"org:admin"},
		Permissions: []string{"org:invoices:read", "org:invoices:manage", "org:teams:read", "org:billing:read"},
		Scopes:      []string{"profile", "email"},
		SessionID:   "sess_1", Organization: auth.Organization{ID: "org_acme", Role: "org:admin"},
		Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: &auth.FactorAges{First: time.Minute, Second: time.Minute},
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(12 * time.Hour),
	}
	const procedure = "/acme.invoice.v1.InvoiceService/GetInvoice"
	authenticated := &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
	for name, rule := range map[string]*policyv1.Rule{
		"authenticated":  authenticated,
		"one permission": require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}}),
		"a role, two permissions and a scope": require(&policyv1.Require{
			AnyRole: []string{"org:owner", "org:admin"}, AllPermissions: []string{"org:teams:read", "org:billing:read"}, AllScopes: []string{"email"},
		}),
		"every part but a condition": require(&policyv1.Require{
			Kinds: []policyv1.Kind{policyv1.Kind_KIND_SESSION}, Organization: true,
			AnyRole: []string{"org:admin"}, AllPermissions: []string{"org:invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"},
			Reverification: &policyv1.Reverification{Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT}},
		}),
	} {
		b.Run(name, func(b *testing.B) {
			rules := newPolicy(b, policy.Override(procedure, rule))
			measure(b, nil, func(int) error { return rules.Rule(procedure).Check(ada) })
		})
	}
	b.Run("asking again, no condition", func(b *testing.B) {
		guard := &auth.Guard{
			Authenticator: anybody{ada}, Policy: newPolicy(b, policy.Override(procedure, authenticated)),
			Revocations: revocation.New(revocation.Config{}),
		}
		ctx, err := guard.Admit(b.Context(), auth.Call{Procedure: procedure, Messages: true})
		if err != nil {
			b.Fatal(err)
		}
		request := new(sessionv1.RevokeSessionRequest)
		measure(b, nil, func(int) error { return guard.CheckRequest(ctx, request) })
	})
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(issuer.New("EdDSA").Token(0), ".")[1])
	if err != nil {
		b.Fatal(err)
	}
	ada.RawClaims = string(payload)
	// Conditions are on the request as well, which is there already.
	request := &sessionv1.RevokeSessionRequest{SessionId: "sess_1", Issuer: ada.Issuer}
	for name, text := range map[string]string{
		"a condition":                "request.session_id == identity.session_id",
		"a condition of three parts": "request.issuer == identity.issuer && (identity.hasRole('owner') || request.session_id == identity.session_id)",
		"a condition on a claim":     "identity.claims.azp == '" + issuer.Party + "' && request.session_id == identity.session_id",
	} {
		b.Run(name, func(b *testing.B) {
			const procedure = sessionv1.SessionService_RevokeSession_FullMethodName
			rules := newPolicy(b, policy.Services(sessionv1.SessionService_ServiceDesc.ServiceName), condition.Evaluator(),
				policy.Override(procedure, require(&policyv1.Require{Condition: text})))
			rule, ok := rules.Rule(procedure).(auth.MessageRule)
			if !ok {
				b.Fatalf("%s does not look at the request", text)
			}
			measure(b, nil, func(int) error { return rule.CheckMessage(ada, request) })
		})
	}
}

func newPolicy(tb testing.TB, options ...policy.Option) *policy.Policy {
	tb.Helper()
	rules, err := policy.New(options...)
	if err != nil {
		tb.Fatal(err)
	}
	return rules
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

// anybody is an Authenticator to whom every caller is the same.
type anybody struct{ identity *auth.Identity }

func (a anybody) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	return a.identity, nil
}

func BenchmarkRevoked(b *testing.B) {
	for name, tokens := range map[string]int{"a thousand tokens in turn": 1000, "another token each time": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			n := size(1_000_000, 10_000)
			list := revocation.New(revocation.Config{})
			constants, err := held(n, "revocation", func() error { return fill(list, n) })
			if err != nil {
				b.Fatal(err)
			}
			constants["revocations"] = float64(n)
			measure(b, constants, askAbout(list, tokens))
		})
	}
}

// fill revokes all that a session token names, each as often.
func fill(list *revocation.List, n int) error {
	kinds := []revocation.TargetKind{revocation.TargetSession, revocation.TargetSubject, revocation.TargetToken}
	now := time.Now()
	return repeat(n, func(i int) error {
		kind := kinds[i%len(kinds)]
		return list.Add(revocation.Revocation{Kind: kind, Issuer: issuer.URL, ID: fmt.Sprintf("%.4s_2%026d", kind, i), Before: now})
	})
}

// askAbout asks about so many tokens in turn. Their ids are cut out of one text,
// sessions and users in turn. A real caller has just read the identity, so
// fetching it is not counted.
func askAbout(list *revocation.List, tokens int) func(i int) error {
	const starts, length = 1 << 22, 32
	var text strings.Builder
	for text.Len() < starts+length {
		text.WriteString(rand.Text())
	}
	cut := func(n int) string {
		at := n & (starts - 1)
		return text.String()[at : at+length]
	}
	id := &auth.Identity{Issuer: issuer.URL, Kind: auth.KindSession, IssuedAt: time.Now()}
	return func(i int) error {
		at := 3 * (i % tokens)
		id.SessionID, id.Subject, id.TokenID = cut(at), cut(at+1), cut(at+2)
		return list.Revoked(id)
	}
}
