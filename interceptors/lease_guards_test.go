package interceptors_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// TestTwoGuardsOfOneStreamBothEndIt has an RPC guarded by connectauth inside a
// handler that httpauth guards. The inner guard's end reaches the client as that of
// any RPC; the outer one knows of no protocol, and cuts what has begun.
func TestTwoGuardsOfOneStreamBothEndIt(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		for _, which := range []string{"inner", "outer"} {
			for _, activity := range []string{"sending", "idle"} {
				t.Run(version+", "+which+", "+activity, func(t *testing.T) {
					t.Parallel()
					outer, inner := newLeaseHouse(t, "idle"), newLeaseHouse(t, activity)
					url := serveHTTP(t, outer.protect(connectauth.Abortable(inner.mux()).ServeHTTP))
					client := inner.newClient(newHTTPClient(t, version), url, serverStream)
					ended := make(chan error, 1)
					go func() { ended <- client.run(t.Context()) }()
					inner.untilEntered(ended)
					map[string]*leaseHouse{"inner": inner, "outer": outer}[which].revoke(t)

					err := <-ended
					reason, refused := client.reasonOf(err)
					if refused && reason != auth.TokenRevoked || !refused && which == "inner" || err == nil {
						t.Errorf("the client's stream ended with %v; want %v", err, auth.TokenRevoked)
					}
					inner.assertEnded(t, auth.TokenRevoked)
					if err := outer.guard.Drain(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestTwoGuardsOfOneCallBothDecide revokes the session of one of two guards while
// the message is held back.
func TestTwoGuardsOfOneCallBothDecide(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		for _, which := range []string{"inner", "outer"} {
			t.Run(version+", "+which, func(t *testing.T) {
				t.Parallel()
				outer, inner, s := newLeaseHouse(t, "idle"), newLeaseHouse(t, "idle"), new(service)
				mux := http.NewServeMux()
				at := procedure(leases, unary)
				mux.Handle(at, connect.NewUnaryHandlerSimple(at, s.echo, connectauth.WithGuard(inner.guard)))
				admitted := make(chan struct{})
				url := serveHTTP(t, outer.protect(func(w http.ResponseWriter, r *http.Request) {
					close(admitted)
					mux.ServeHTTP(w, r)
				}))
				got := connectCaller(newHTTPClient(t, version), url, unary)(t.Context(), attempt{service: leases, body: hello, hold: func() {
					<-admitted
					map[string]*leaseHouse{"inner": inner, "outer": outer}[which].revoke(t)
				}})
				if !got.refused || got.reason != auth.TokenRevoked || s.ran.Load() != 0 {
					t.Errorf("%+v after %d runs of the handler; want %v", got, s.ran.Load(), auth.TokenRevoked)
				}
			})
		}
	}
}
