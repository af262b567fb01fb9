package interceptors_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// lifetime is how long the token of a stream lasts that is to expire: not long,
// as there are many streams.
const lifetime = 100 * time.Millisecond

// leaseEvents are what ends a stream, or does not, and why it then ends.
var leaseEvents = []struct {
	name   string
	before func(t *testing.T, h *leaseServer)
	during func(t *testing.T, h *leaseServer)
	want   auth.Reason
}{
	{
		name:   "expires",
		before: func(_ *testing.T, h *leaseServer) { h.present(lifetime, "reader") },
		during: func(*testing.T, *leaseServer) {},
		want:   auth.TokenExpired,
	},
	{
		name:   "is renewed, and revoked later",
		before: func(_ *testing.T, h *leaseServer) { h.present(time.Minute, "reader") },
		during: func(t *testing.T, h *leaseServer) {
			h.present(time.Hour, "reader")
			h.call(t)
			h.revoke(t)
		},
		want: auth.TokenRevoked,
	},
	{
		name:   "is revoked",
		before: func(*testing.T, *leaseServer) {},
		during: func(t *testing.T, h *leaseServer) { h.revoke(t) },
		want:   auth.TokenRevoked,
	},
	{
		name:   "loses its key",
		before: func(*testing.T, *leaseServer) {},
		during: func(_ *testing.T, h *leaseServer) { h.withdrawKey() },
		want:   auth.KeyUnknown,
	},
	{
		name:   "is renewed, and loses its new key",
		before: func(*testing.T, *leaseServer) {},
		during: func(t *testing.T, h *leaseServer) {
			h.present(time.Hour, "reader")
			h.call(t)
			h.withdrawKey()
		},
		want: auth.KeyUnknown,
	},
	{
		name:   "loses its permission",
		before: func(*testing.T, *leaseServer) {},
		during: func(t *testing.T, h *leaseServer) {
			h.present(time.Hour, "writer")
			h.call(t)
		},
		want: auth.RoleRequired,
	},
}

func (h *leaseServer) revoke(t *testing.T) {
	t.Helper()
	err := h.revoked.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://issuer.test", ID: "sess_1"})
	if err != nil {
		t.Fatal(err)
	}
}

// what a handler of each shape can be about.
var activitiesOf = map[string][]string{
	clientStream: {"receiving", "idle"},
	serverStream: {"sending", "idle"},
	bidiStream:   {"receiving", "sending", "idle"},
}

// TestAStreamEndsWithItsLease goes through every protocol, shape of stream, way
// to end and activity of the handler.
func TestAStreamEndsWithItsLease(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			for _, activity := range activitiesOf[method] {
				for _, event := range leaseEvents {
					t.Run(transport.name+", "+method+", "+activity+", "+event.name, func(t *testing.T) {
						t.Parallel()
						h := newLeaseServer(t, activity)
						event.before(t, h)
						client := transport.start(t, h, method)
						ended := make(chan error, 1)
						go func() { ended <- client.run(t.Context()) }()
						h.untilEntered(ended)
						event.during(t, h)

						err := <-ended
						if reason, ok := client.reasonOf(err); !ok || reason != event.want || client.codeOf(err) != event.want.Code() {
							t.Errorf("the client's stream ended with %v; want %v", err, event.want)
						}
						h.assertEnded(t, event.want)
					})
				}
			}
		}
	}
}

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
				h := newLeaseServer(t, "receiving")
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

// TestALateHandlerReachesNothing has the handler send or receive after its client has
// received the end and the transport has finished the stream.
func TestALateHandlerReachesNothing(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
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

// TestAStreamOverHTTP1EndsEvenIfItsRequestIsIncomplete has a client announce a request
// and send none of it, or all of it but its end.
func TestAStreamOverHTTP1EndsEvenIfItsRequestIsIncomplete(t *testing.T) {
	t.Parallel()
	const hello = "\x00\x00\x00\x00\x00"
	for name, body := range map[string]string{
		"nothing of it":   "Content-Length: 100\r\n\r\n",
		"all but its end": "Transfer-Encoding: chunked\r\n\r\n5\r\n" + hello + "\r\n",
	} {
		for _, method := range []string{clientStream, serverStream} {
			t.Run(name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
				h.present(lifetime, "reader")
				at, err := url.Parse(serveHTTP(t, connectauth.Abortable(h.mux())))
				if err != nil {
					t.Fatal(err)
				}
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at.Host)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/connect+proto\r\n%s",
					procedure(leases, method), at.Host, body); err != nil {
					t.Fatal(err)
				}
				answer, err := io.ReadAll(conn)
				if !strings.Contains(string(answer), auth.TokenExpired.String()) {
					t.Errorf("answer %q, %v; want one with %v", answer, err, auth.TokenExpired)
				}
			})
		}
	}
}

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
				h := newLeaseServer(t, "idle")
				h.unread = true
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
