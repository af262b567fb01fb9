package interceptors_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// TestOneStreamTooManyIsRefusedOnEveryTransport opens two streams where one is allowed.
func TestOneStreamTooManyIsRefusedOnEveryTransport(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
				h.guard.MaxStreamsPerSubject = 1
				client := transport.start(t, h, method)
				first := make(chan error, 1)
				go func() { first <- client.run(t.Context()) }()
				h.untilEntered(first)
				err := client.run(t.Context())
				if reason, ok := client.reasonOf(err); !ok || reason != auth.TooManyStreams || client.codeOf(err) != auth.CodeResourceExhausted {
					t.Errorf("the second stream: %v; want %v", err, auth.TooManyStreams)
				}
				h.revoke(t)
				if reason, _ := client.reasonOf(<-first); reason != auth.TokenRevoked {
					t.Errorf("the first stream ended with %v, and not when it was revoked", reason)
				}
			})
		}
	}
}

func TestOneRequestTooManyIsRefusedWith429(t *testing.T) {
	t.Parallel()
	h := newLeaseServer(t, "idle")
	h.guard.MaxStreamsPerSubject = 1
	entered := make(chan struct{}, 1)
	url := serveHTTP(t, h.protect(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	get := func(ctx context.Context) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := newHTTPClient(t, "HTTP 1.1").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	get(ctx) //nolint:bodyclose // the test closes it at its end
	<-entered
	res := get(t.Context()) //nolint:bodyclose // so too
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s %v %s; want 429 without a challenge", res.Status, res.Header, body)
	}
}
