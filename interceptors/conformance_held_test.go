package interceptors_test

import (
	"testing"
)

// TestAHeldCallIsRefused sends the header of a call, and its message only when the
// token no longer counts.
func TestAHeldCallIsRefused(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		if transport.method == get {
			continue // its message is in the URL
		}
		for name, loss := range losses {
			t.Run(transport.name+", "+name, func(t *testing.T) {
				t.Parallel()
				k := newHeldKit(t)
				b := newBench(t, transport, k.guard)
				got := b.call(t.Context(), attempt{service: authenticated, header: bearer(k.session), body: hello, hold: func() {
					if !transport.decodesSoon {
						b.witness.awaitAdmission(t.Context())
					}
					loss.lose(t, k)
				}})
				b.assertRefusal(t, got, loss.want)
				if ran := b.service.ran.Load(); ran != 0 && !b.decodesLate {
					t.Errorf("the handler ran %d times", ran)
				}
				if got.reply != "" {
					t.Errorf("the handler answered %q", got.reply)
				}
				seen := b.witness.take()
				if last := seen[len(seen)-1]; last.Refusal == nil || last.Refusal.Reason != loss.want {
					t.Errorf("the observer saw %v; want a refusal for %v at the end", seen, loss.want)
				}
			})
		}
	}
}

// TestAHeldCallWithoutATokenIsNotCheckedAgain delays the request of a public method.
func TestAHeldCallWithoutATokenIsNotCheckedAgain(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			k := newHeldKit(t)
			b := newBench(t, transport, k.guard)
			got := b.call(t.Context(), attempt{service: public, body: hello, hold: func() {
				losses["its session was revoked"].lose(t, k)
			}})
			if got.code != "" || got.reply != nobody+" hello" {
				t.Errorf("got %+v; want the reply to %s", got, nobody)
			}
		})
	}
}
