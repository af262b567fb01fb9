package interceptors_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// TestAConditionOnTheRequestIsEnforcedByEveryAdapter sends two requests that differ
// only in the field that the condition reads.
func TestAConditionOnTheRequestIsEnforcedByEveryAdapter(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	acme := bearer(k.session(authtest.InOrganization("org_acme", "acme", "member")))
	elsewhere := bearer(k.session(authtest.InOrganization("org_else", "else", "member")))
	goodbye, err := proto.Marshal(wrapperspb.String("goodbye"))
	if err != nil {
		t.Fatal(err)
	}
	guard := k.guard(t)
	for _, transport := range slices.Concat(connectTransports(), grpcTransports()) {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			b := startTransport(t, transport, guard)
			b.admits(t, testCase{name: "a request that may be made", caller: ada, attempt: attempt{service: helloOnly, header: acme, body: hello}})
			b.refusesMessage(t, "a request that may not", attempt{service: helloOnly, header: acme, body: goodbye})
			b.refusesMessage(t, "a caller who may not make it", attempt{service: helloOnly, header: elsewhere, body: hello})
			b.refuses(t, testCase{name: "a stranger", want: auth.TokenMissing, attempt: attempt{service: helloOnly, body: hello}})
		})
	}
}

// TestAConditionOnTheRequestRefusesCallsWhoseMessageIsNotShown calls an ordinary
// handler, whose body is not a message.
func TestAConditionOnTheRequestRefusesCallsWhoseMessageIsNotShown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	acme := bearer(k.session(authtest.InOrganization("org_acme", "acme", "member")))
	guard := k.guard(t)
	for _, transport := range httpTransports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			startTransport(t, transport, guard).refuses(t, testCase{
				name: "every request", want: auth.AuthFailure, attempt: attempt{service: helloOnly, header: acme, body: hello},
			})
		})
	}
}

// refusesMessage expects the call to be admitted, and the message not to be.
func (b *startedTransport) refusesMessage(t *testing.T, name string, a attempt) {
	t.Run("refuses "+name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		before := b.service.ran.Load()
		got := b.call(ctx, a)
		b.assertRefusal(t, got, auth.ConditionNotMet)
		if got.reply != "" {
			t.Errorf("the handler answered %q", got.reply)
		}
		if ran := b.service.ran.Load() - before; ran != 0 && !b.decodesLate {
			t.Error("the handler ran")
		}
		seen := b.witness.take()
		if len(seen) != 2 || seen[0].Refusal != nil || seen[1].Refusal == nil || seen[1].Refusal.Reason != auth.ConditionNotMet {
			t.Errorf("the observer saw %v; want the pass and then the refusal", seen)
		}
	})
}

// helloAlone is the policy by which the authenticated service takes no message but
// hello.
func helloAlone(t *testing.T) *policy.Policy {
	t.Helper()
	options := []policy.Option{policy.Files(newSchema(t)), condition.Enable()}
	for _, method := range []string{unary, get, clientStream, serverStream, bidiStream} {
		rule := require(&policyv1.Require{Condition: "request == 'hello'"})
		options = append(options, policy.Override(procedure(authenticated, method), rule))
	}
	compiled, err := policy.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestTwoGuardsEnforceTheirOwnDecisions puts one handler behind two guards. The inner
// or the outer one requires more than the other.
func TestTwoGuardsEnforceTheirOwnDecisions(t *testing.T) {
	t.Parallel()
	goodbye, err := proto.Marshal(wrapperspb.String("goodbye"))
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range slices.Concat(connectTransports(), grpcTransports()) {
		for _, strictFirst := range []bool{true, false} {
			name := transport.name + ", the second is strict"
			if strictFirst {
				name = transport.name + ", the first is strict"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k := newHeldKit(t)
				lax, strict := observed(k.guard, nil), observed(k.guard, nil)
				lax.Revocations = revocation.New(revocation.Config{}) // its own, which know nothing
				strict.Policy = helloAlone(t)
				s := new(service)
				first, second := lax, strict
				if strictFirst {
					first, second = strict, lax
				}
				s.inner = second
				call := transport.start(t, first, s)
				attempt := attempt{service: authenticated, header: bearer(k.session), body: hello}
				if got := call(t.Context(), attempt); got.reply != ada+" hello" {
					t.Errorf("hello: %+v; want a reply", got)
				}
				attempt.body = goodbye
				if got := call(t.Context(), attempt); got.reason != auth.ConditionNotMet || got.reply != "" {
					t.Errorf("goodbye: %+v; want %v", got, auth.ConditionNotMet)
				}
				if transport.method == get {
					return // nothing of it can be held
				}
				attempt.body = hello
				attempt.hold = func() { losses["its session was revoked"].lose(t, k) }
				before := s.ran.Load()
				if got := call(t.Context(), attempt); got.reason != auth.TokenRevoked || got.reply != "" {
					t.Errorf("a call whose session was revoked: %+v; want %v", got, auth.TokenRevoked)
				}
				if s.ran.Load() != before && !transport.decodesLate {
					t.Error("the handler ran")
				}
			})
		}
	}
}

// TestAGuardOfRequestsAndOneOfCallsEnforceTheirOwnDecisions puts a handler of
// connect-go behind Protect with a guard of its own.
func TestAGuardOfRequestsAndOneOfCallsEnforceTheirOwnDecisions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		for _, outerKnows := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, the outer guard knows: %t", version, outerKnows), func(t *testing.T) {
				t.Parallel()
				k := newHeldKit(t)
				w := new(witness)
				knows, ignorant := observed(k.guard, nil), observed(k.guard, nil)
				ignorant.Revocations = nil
				outer, inner := ignorant, knows
				if outerKnows {
					outer, inner = knows, ignorant
				}
				inner.Observer = w
				s := new(service)
				url := serveHTTP(t, httpauth.Protect(outer, procedure(authenticated, unary), newConnectMux(inner, s)))
				call := connectCaller(newHTTPClient(t, version), url, unary)
				attempt := attempt{service: authenticated, header: bearer(k.session), body: hello}
				if got := call(t.Context(), attempt); got.reply != ada+" hello" {
					t.Fatalf("%+v; want a reply", got)
				}
				w.take()
				attempt.hold = func() {
					w.awaitAdmission(t.Context())
					losses["its session was revoked"].lose(t, k)
				}
				if got := call(t.Context(), attempt); got.reason != auth.TokenRevoked || got.reply != "" {
					t.Errorf("a call whose session was revoked: %+v; want %v", got, auth.TokenRevoked)
				}
				if s.ran.Load() != 1 {
					t.Error("the handler ran")
				}
			})
		}
	}
}
