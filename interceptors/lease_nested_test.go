package interceptors_test

import (
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// TestAStreamWithinAGuardedRequestEndsWithItsOwnLease puts a stream behind Protect
// with a guard of its own, whose lease goes on when that of the stream ends.
func TestAStreamWithinAGuardedRequestEndsWithItsOwnLease(t *testing.T) {
	t.Parallel()
	for _, activity := range []string{"idle", "receiving", "sending"} {
		t.Run(activity, func(t *testing.T) {
			t.Parallel()
			outer, inner := newLeaseHouse(t, activity), newLeaseHouse(t, activity)
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
		outer, inner := newLeaseHouse(t, "receiving"), newLeaseHouse(t, "receiving")
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
