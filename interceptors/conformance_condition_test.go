package interceptors_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
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
			b := newBench(t, transport, guard)
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
			newBench(t, transport, guard).refuses(t, testCase{
				name: "every request", want: auth.AuthFailure, attempt: attempt{service: helloOnly, header: acme, body: hello},
			})
		})
	}
}

// refusesMessage expects the call to be admitted, and the message not to be.
func (b *bench) refusesMessage(t *testing.T, name string, a attempt) {
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
