package interceptors_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
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
					outer, inner := newLeaseServer(t, "idle"), newLeaseServer(t, activity)
					url := serveHTTP(t, outer.protect(connectauth.Abortable(inner.mux()).ServeHTTP))
					client := inner.newClient(newHTTPClient(t, version), url, serverStream)
					ended := make(chan error, 1)
					go func() { ended <- client.run(t.Context()) }()
					inner.untilEntered(ended)
					map[string]*leaseServer{"inner": inner, "outer": outer}[which].revoke(t)

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
				outer, inner, s := newLeaseServer(t, "idle"), newLeaseServer(t, "idle"), new(service)
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
					map[string]*leaseServer{"inner": inner, "outer": outer}[which].revoke(t)
				}})
				if !got.refused || got.reason != auth.TokenRevoked || s.ran.Load() != 0 {
					t.Errorf("%+v after %d runs of the handler; want %v", got, s.ran.Load(), auth.TokenRevoked)
				}
			})
		}
	}
}

// TestAStreamWithinAGuardedRequestEndsWithItsOwnLease puts a stream behind Protect
// with a guard of its own, whose lease goes on when that of the stream ends.
func TestAStreamWithinAGuardedRequestEndsWithItsOwnLease(t *testing.T) {
	t.Parallel()
	for _, activity := range []string{"idle", "receiving", "sending"} {
		t.Run(activity, func(t *testing.T) {
			t.Parallel()
			outer, inner := newLeaseServer(t, activity), newLeaseServer(t, activity)
			handler := connectauth.Abortable(inner.mux())
			url := serveHTTP(t, httpauth.Protect(outer.guard, procedure(leases, plain), handler))
			stream := connect.NewClient[text, text](newHTTPClient(t, "HTTP 2"), url+procedure(leases, bidiStream)).CallBidiStream(t.Context())
			ended := make(chan error, 1)
			go func() {
				err := stream.Send(wrapperspb.String("hello"))
				for err == nil {
					_, err = stream.Receive()
				}
				ended <- err
			}()
			<-inner.entered
			inner.revoke(t)
			err := <-ended
			if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.TokenRevoked {
				t.Errorf("%v; want %v", err, auth.TokenRevoked)
			}
			for name, guard := range map[string]*auth.Guard{"outer": outer.guard, "inner": inner.guard} {
				if err := guard.Drain(t.Context()); err != nil {
					t.Errorf("the %s guard: %v", name, err)
				}
			}
		})
	}
}

// TestTwoLeasesThatEndAtOnceAnswerOnce has an upload over HTTP/1.1 whose both leases
// end while it is waited for: each would have the connection closed.
func TestTwoLeasesThatEndAtOnceAnswerOnce(t *testing.T) {
	t.Parallel()
	for i := range 10 { // for the race detector
		outer, inner := newLeaseServer(t, "receiving"), newLeaseServer(t, "receiving")
		handler := httpauth.Protect(outer.guard, procedure(leases, plain), connectauth.Abortable(inner.mux()))
		if i%2 == 0 {
			handler = connectauth.Abortable(httpauth.Protect(outer.guard, procedure(leases, plain), inner.mux()))
		}
		url := serveHTTP(t, handler)
		stream := connect.NewClient[text, text](newHTTPClient(t, "HTTP 1.1"), url+procedure(leases, clientStream)).CallClientStream(t.Context())
		go func() { _ = stream.Send(wrapperspb.String("hello")) }()
		<-inner.entered
		outer.revoke(t)
		inner.revoke(t)
		if err := outer.guard.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := stream.CloseAndReceive(); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("%v; want %v", err, connect.CodeUnauthenticated)
		}
	}
}
