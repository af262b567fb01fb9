package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

const procedure = sessionv1.SessionService_RevokeSession_FullMethodName

var authenticated = &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

func BenchmarkPolicy(b *testing.B) {
	// The caller meets all rules, with what a token says and more.
	iss := newIssuer(b, "EdDSA")
	caller := *must(newVerifier(iss.trust, -1).Verify(b.Context(), iss.token(0)))
	caller.Permissions = append(caller.Permissions, "org:invoices:manage", "org:teams:read", "org:billing:read")
	caller.Scopes, caller.Plans = []string{"profile", "email"}, []string{"o:pro"}
	caller.FactorAges = &auth.FactorAges{First: time.Minute, Second: time.Minute}
	request := &sessionv1.RevokeSessionRequest{Target: &sessionv1.RevokeSessionRequest_Session{
		Session: &revocationv1.SessionRef{Issuer: issuerURL, SessionId: caller.SessionID},
	}}
	for _, r := range []struct {
		name string
		rule *policyv1.Rule
	}{
		{"rule/authenticated", authenticated},
		{"rule/one permission", require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}})},
		{"rule/a role, two permissions and a scope", require(&policyv1.Require{
			AnyRole: []string{"org:owner", "org:admin"}, AllPermissions: []string{"org:teams:read", "org:billing:read"}, AllScopes: []string{"email"},
		})},
		{"rule/every part but a condition", require(&policyv1.Require{
			Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION}, Organization: true,
			AnyRole: []string{"org:admin"}, AllPermissions: []string{"org:invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"},
			Reverification: &policyv1.Reverification{Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT}},
		})},
		{"condition/one comparison", require(&policyv1.Require{Condition: "request.session.session_id == identity.session_id"})},
		{"condition/three parts", require(&policyv1.Require{
			Condition: "request.session.issuer == identity.issuer && (identity.hasRole('owner') || request.session.session_id == identity.session_id)",
		})},
		{"condition/a claim", require(&policyv1.Require{
			Condition: "identity.claims.azp == '" + party + "' && request.session.session_id == identity.session_id",
		})},
	} {
		b.Run(r.name, func(b *testing.B) {
			rules := must(policy.New(policy.Services(sessionv1.SessionService_ServiceDesc.ServiceName), condition.Enable(),
				policy.Override(procedure, r.rule)))
			decide := func(int) error { return rules.Rule(procedure).Check(&caller) }
			if rule, ok := rules.Rule(procedure).(auth.MessageRule); ok && r.rule.GetRequire().GetCondition() != "" {
				decide = func(int) error { return rule.CheckMessage(&caller, request) }
			}
			measure(b, usage, 1, decide)
		})
	}
	b.Run("rule/checking again", func(b *testing.B) {
		guard := newGuard(func() *auth.Identity { return &caller })
		ctx := must(guard.Admit(b.Context(), auth.Call{Procedure: procedure, Messages: true}))
		measure(b, usage, 1, func(int) error { return guard.CheckRequest(ctx, request) })
	})
}

// BenchmarkRevoked cuts the IDs of tokens out of one text, which costs little: a real
// caller has just read the identity, so fetching it is not counted.
func BenchmarkRevoked(b *testing.B) {
	const starts, length = 1 << 22, 32
	var text strings.Builder
	for text.Len() < starts+length {
		text.WriteString(rand.Text())
	}
	cut := func(n int) string { return text.String()[n%starts:][:length] }
	targets := []revocation.TargetKind{revocation.TargetSession, revocation.TargetSubject, revocation.TargetToken}
	for _, tokens := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("%d tokens in turn", tokens), func(b *testing.B) {
			n, now, list := size(1_000_000, 10_000), time.Now(), revocation.New(revocation.Config{})
			before := usage(true)
			for i := range n {
				check(list.Add(revocation.Revocation{Kind: targets[i%len(targets)], Issuer: issuerURL, ID: id("user", i), Before: now}))
			}
			held := usage(true).since(before, n)["heap-bytes"]
			caller := &auth.Identity{Issuer: issuerURL, Kind: auth.KindSession, IssuedAt: now}
			measure(b, usage, 1, func(i int) error {
				at := 3 * (i % tokens)
				caller.SessionID, caller.Subject, caller.TokenID = cut(at), cut(at+1), cut(at+2)
				return list.Revoked(caller)
			})
			b.ReportMetric(held, "heap-bytes/revocation")
		})
	}
}

// BenchmarkLeases has calls admitted by a guard that has many streams open, each of
// a session of its own.
func BenchmarkLeases(b *testing.B) {
	b.Run("a call that renews nothing", func(b *testing.B) { benchmarkLeases(b, 0) })
	b.Run("a call that renews a stream", func(b *testing.B) { benchmarkLeases(b, time.Millisecond) })
}

// benchmarkLeases has each call of a session come with a token that is newer by step.
func benchmarkLeases(b *testing.B, step time.Duration) {
	b.Helper()
	callers, born := make([]auth.Identity, size(20_000, 200)), time.Now().Add(-time.Hour)
	var caller *auth.Identity                                              // of the current call
	guard := newGuard(func() *auth.Identity { id := *caller; return &id }) // a new one each time, as a verifier's
	for i := range callers {
		caller = &callers[i]
		*caller = auth.Identity{Issuer: issuerURL, Subject: id("user", i), Kind: auth.KindSession, SessionID: id("sess", i)}
		caller.IssuedAt, caller.ExpiresAt = born, born.Add(12*time.Hour)
		admitted, serving := must(guard.Admit(b.Context(), auth.Call{Procedure: procedure, Stream: auth.ServerStream})), make(chan struct{})
		go func() {
			_ = guard.Serve(admitted, func(ctx context.Context, _ *auth.Stream) error {
				close(serving)
				<-ctx.Done()
				return nil
			}, nil)
		}()
		<-serving
	}
	measure(b, usage, 1, func(i int) error {
		caller = &callers[i%len(callers)]
		caller.IssuedAt = caller.IssuedAt.Add(step)
		_, err := guard.Admit(b.Context(), auth.Call{Procedure: procedure})
		return err
	})
}

// authenticatorFunc returns the caller of the current call.
type authenticatorFunc func() *auth.Identity

func (f authenticatorFunc) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	return f(), nil
}

func newGuard(authenticate authenticatorFunc) *auth.Guard {
	rules := must(policy.New(policy.Override(procedure, authenticated)))
	return &auth.Guard{Authenticator: authenticate, Policy: rules, Revocations: revocation.New(revocation.Config{})}
}
