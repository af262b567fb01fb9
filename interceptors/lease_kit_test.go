package interceptors_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// leases is the service whose streams end.
const leases = "LeaseService"

// A leaseServer serves one stream of one session.
type leaseServer struct {
	guard   *auth.Guard
	revoked *revocation.List

	mu      sync.Mutex
	token   *auth.Identity // what the caller presents
	changed func()         // to be called when a key is withdrawn

	handle  func(context.Context, handlerStream) error
	reply   *text         // what the handler sends
	unread  bool          // whether the client does not read
	timeout http.Header   // the server's alone: the client waits for longer
	entered chan struct{} // closed when the handler has reached its activity
	cause   chan error    // why the handler's context has ended
}

// handlerStream is a stream as its handler sees it, whatever the transport.
type handlerStream struct{ send, receive func() error }

func newLeaseServer(t *testing.T, activity string) *leaseServer {
	t.Helper()
	rules := []policy.Option{policy.Override(procedure(leases, unary), &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}})}
	for _, method := range []string{clientStream, serverStream, bidiStream, plain} {
		rules = append(rules, policy.Override(procedure(leases, method), require(&policyv1.Require{AnyRole: []string{"reader"}})))
	}
	compiled, err := policy.New(rules...)
	if err != nil {
		t.Fatal(err)
	}
	h := &leaseServer{
		revoked: revocation.New(revocation.Config{}),
		reply:   wrapperspb.String("tick"),
		entered: make(chan struct{}),
		cause:   make(chan error, 1),
	}
	h.guard = &auth.Guard{Authenticator: h, Policy: compiled, Revocations: h.revoked}
	h.handle = h.activities()[activity]
	h.present(time.Hour, "reader")
	return h
}

// present makes the caller's next token one that expires in a while.
func (h *leaseServer) present(expires time.Duration, roles ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	issued := time.Now()
	if h.token != nil {
		issued = h.token.IssuedAt.Add(time.Second)
	}
	h.token = &auth.Identity{
		Issuer: "https://issuer.test", Subject: ada, SessionID: "sess_1", Kind: auth.KindSession,
		Organization: auth.Organization{ID: "org_1"}, AuthorizedParty: party, Actor: &auth.Actor{Subject: "user_bob"}, ClientID: "client_1",
		Roles: roles, Key: new(leaseKey), IssuedAt: issued, ExpiresAt: time.Now().Add(expires),
	}
}

// Authenticate implements auth.Authenticator.
func (h *leaseServer) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.token, nil
}

// Watch implements auth.Watcher.
func (h *leaseServer) Watch(changed func()) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = changed
	return func() {}
}

// A leaseKey is the key of a token.
type leaseKey struct{ withdrawn atomic.Bool }

// Withdrawn implements auth.Key.
func (k *leaseKey) Withdrawn() error {
	if k.withdrawn.Load() {
		return auth.NewError(auth.KeyUnknown, nil)
	}
	return nil
}

// withdrawKey removes the key of the token that was presented last.
func (h *leaseServer) withdrawKey() {
	h.mu.Lock()
	key, changed := h.token.Key.(*leaseKey), h.changed
	h.mu.Unlock()
	key.withdrawn.Store(true)
	changed()
}

// call is another call of the same session.
func (h *leaseServer) call(t *testing.T) {
	t.Helper()
	if _, err := h.guard.Admit(t.Context(), auth.Call{Procedure: procedure(leases, unary)}); err != nil {
		t.Fatal(err)
	}
}

// activities are what a handler can be doing when its lease ends. Whatever each
// returns, the client must get the refusal of the lease.
func (h *leaseServer) activities() map[string]func(context.Context, handlerStream) error {
	until := func(step func(handlerStream) error) func(context.Context, handlerStream) error {
		return func(_ context.Context, s handlerStream) error {
			close(h.entered)
			for {
				if err := step(s); err != nil {
					return err
				}
			}
		}
	}
	return map[string]func(context.Context, handlerStream) error{
		"receiving": until(func(s handlerStream) error { return s.receive() }),
		"sending":   until(func(s handlerStream) error { return s.send() }),
		"idle": func(ctx context.Context, _ handlerStream) error {
			close(h.entered)
			<-ctx.Done()
			return nil
		},
	}
}

// untilEntered returns when the handler has reached its activity, or when the stream
// has ended before: on a slow machine a short token may expire on the way.
func (h *leaseServer) untilEntered(ended chan error) {
	select {
	case <-h.entered:
	case err := <-ended:
		ended <- err
	}
}

// assertEnded waits for the handler to return, and checks why its context ended.
func (h *leaseServer) assertEnded(t *testing.T, want auth.Reason) {
	t.Helper()
	if err := h.guard.Drain(t.Context()); err != nil {
		t.Errorf("the handler has not returned: %v", err)
	}
	select {
	case cause := <-h.cause:
		if !errors.Is(cause, &auth.Error{Reason: want}) {
			t.Errorf("the handler's context ended because of %v; want %v", cause, want)
		}
	default:
		select {
		case <-h.entered:
			t.Errorf("the handler's context did not end; want %v", want)
		default: // the stream ended before there was a message to call the handler with
		}
	}
}

// serve waits for the first message of the client, so that none is on its way when the
// stream ends.
func (h *leaseServer) serve(ctx context.Context, s handlerStream) (err error) {
	if s.receive != nil {
		err = s.receive()
	}
	if err == nil {
		err = h.handle(ctx, s)
	}
	<-ctx.Done()
	h.cause <- context.Cause(ctx)
	return err
}

func (h *leaseServer) mux() http.Handler {
	mux := http.NewServeMux()
	guarded := connectauth.WithGuard(h.guard)
	at := procedure(leases, clientStream)
	mux.Handle(at, connect.NewClientStreamHandlerSimple(at, func(ctx context.Context, stream *connect.ClientStream[text]) (*text, error) {
		return h.reply, h.serve(ctx, handlerStream{receive: func() error {
			if !stream.Receive() {
				return errors.Join(stream.Err(), errors.New("the end"))
			}
			return nil
		}})
	}, guarded))
	at = procedure(leases, serverStream)
	mux.Handle(at, connect.NewServerStreamHandlerSimple(at, func(ctx context.Context, _ *text, stream *connect.ServerStream[text]) error {
		return h.serve(ctx, handlerStream{send: func() error { return stream.Send(h.reply) }})
	}, guarded))
	at = procedure(leases, bidiStream)
	mux.Handle(at, connect.NewBidiStreamHandler(at, func(ctx context.Context, stream *connect.BidiStream[text, text]) error {
		return h.serve(ctx, handlerStream{
			send:    func() error { return stream.Send(h.reply) },
			receive: func() error { _, err := stream.Receive(); return err },
		})
	}, guarded))
	return mux
}

// register serves the streams with grpc-go.
func (h *leaseServer) register(server grpc.ServiceRegistrar) {
	handle := func(_ any, stream grpc.ServerStream) error {
		return h.serve(stream.Context(), handlerStream{
			send:    func() error { return stream.SendMsg(h.reply) },
			receive: func() error { return stream.RecvMsg(new(text)) },
		})
	}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "ostiary.test.v1." + leases,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: clientStream, Handler: handle, ClientStreams: true},
			{StreamName: serverStream, Handler: handle, ServerStreams: true},
			{StreamName: bidiStream, Handler: handle, ClientStreams: true, ServerStreams: true},
		},
	}, h)
}
