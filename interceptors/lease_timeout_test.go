package interceptors_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// TestATimeoutDoesNotExtendALease lets the client's time-out pass while the client
// keeps the stream open and the handler waits for a message. grpc-go ends such streams
// by itself.
func TestATimeoutDoesNotExtendALease(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		if strings.HasPrefix(transport.name, "grpc-go") {
			continue
		}
		for _, method := range transport.methods {
			if method == serverStream {
				continue // its handler has nothing to wait for
			}
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseHouse(t, "receiving")
				h.timeout = http.Header{"Connect-Timeout-Ms": {"20"}, "Grpc-Timeout": {"20m"}}
				receiving := h.handle
				h.handle = func(ctx context.Context, s handlerStream) error {
					passed := context.AfterFunc(ctx, func() { h.revoke(t) })
					defer passed()
					return receiving(ctx, s)
				}
				client := transport.start(t, h, method)
				err := client.run(t.Context())
				if reason, _ := client.reasonOf(err); reason != auth.TokenRevoked {
					t.Errorf("the client's stream ended with %v; want %v", err, auth.TokenRevoked)
				}
			})
		}
	}
}
