package interceptors_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// TestALateHandlerReachesNothing has the handler send or receive after its client has
// received the end and the transport has finished the stream.
func TestALateHandlerReachesNothing(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseHouse(t, "idle")
				clientKnows := make(chan struct{})
				h.handle = func(_ context.Context, s handlerStream) error {
					close(h.entered)
					<-clientKnows
					for name, step := range map[string]func() error{"send": s.send, "receive": s.receive} {
						if step == nil {
							continue
						}
						if reason, ok := auth.ReasonOf(step()); !ok || reason != auth.TokenRevoked {
							t.Errorf("%s: reason %v; want %v", name, reason, auth.TokenRevoked)
						}
					}
					return nil
				}
				client := transport.start(t, h, method)
				ended := make(chan error, 1)
				go func() { ended <- client.run(t.Context()) }()
				h.untilEntered(ended)
				h.revoke(t)
				if reason, _ := client.reasonOf(<-ended); reason != auth.TokenRevoked {
					t.Errorf("reason %v; want %v", reason, auth.TokenRevoked)
				}
				close(clientKnows)
				h.assertEnded(t, auth.TokenRevoked)
			})
		}
	}
}
