package interceptors_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// TestAStreamEndsEvenIfItsClientDoesNotRead has the handler send until flow control
// blocks it.
func TestAStreamEndsEvenIfItsClientDoesNotRead(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			if method == clientStream {
				continue
			}
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseHouse(t, "idle")
				h.deaf = true
				h.reply = wrapperspb.String(incompressible(1 << 18))
				var sent atomic.Int64
				h.handle = func(_ context.Context, s handlerStream) error {
					close(h.entered)
					for {
						if err := s.send(); err != nil {
							return err
						}
						sent.Add(1)
					}
				}
				client := transport.start(t, h, method)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- client.run(ctx) }()
				h.untilEntered(ended)
				untilItRests(&sent)
				h.revoke(t)

				h.assertEnded(t, auth.TokenRevoked)
				cancel()
				if err := <-ended; err == nil {
					t.Error("the client's stream ended without an error")
				}
			})
		}
	}
}

func incompressible(size int) string {
	var text strings.Builder
	for text.Len() < size {
		text.WriteString(rand.Text())
	}
	return text.String()
}

// untilItRests returns when the number has not changed for a while. Should it
// change again after all, what follows is the same.
func untilItRests(n *atomic.Int64) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for last, same := int64(0), 0; same < 5; same++ {
		<-ticker.C
		if now := n.Load(); now != last || now == 0 {
			last, same = now, 0
		}
	}
}
