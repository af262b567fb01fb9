// Package guardtest is what the tests of the adapters share: a guard that accepts one
// token, a service with a method for each shape of a call, and a log that is read
// while it is written.
package guardtest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// GoodToken is the only token that an Authenticator accepts.
const GoodToken = "good-token"

// An Authenticator accepts GoodToken, which is ada's.
type Authenticator struct{}

// Authenticate implements auth.Authenticator.
func (Authenticator) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	token, err := auth.BearerToken(call.Header)
	if err != nil {
		return nil, err
	}
	if token != GoodToken {
		return nil, auth.Errorf(auth.SignatureInvalid, "cause: only for logs")
	}
	return &auth.Identity{Issuer: "https://issuer.test", Subject: "ada", ClientID: "client_1", Kind: auth.KindSession}, nil
}

// Everyone is a policy by which every caller with an identity may call everything.
type Everyone struct{}

// Rule implements auth.Policy.
func (Everyone) Rule(string) auth.Rule { return Everyone{} }

// Check implements auth.Rule.
func (Everyone) Check(id *auth.Identity) error {
	if id == nil {
		return auth.NewError(auth.TokenMissing, nil)
	}
	return nil
}

// OnlyHello is a policy by which every caller with an identity may send "hello", and
// no other message.
type OnlyHello struct {
	Everyone

	Asked *atomic.Int32 // counts the messages, unless it is nil
}

// Rule implements auth.Policy.
func (r OnlyHello) Rule(string) auth.Rule { return r }

// CheckMessage implements auth.MessageRule.
func (r OnlyHello) CheckMessage(_ *auth.Identity, message any) error {
	if r.Asked != nil {
		r.Asked.Add(1)
	}
	if in, ok := message.(*wrapperspb.StringValue); ok && in.GetValue() == "hello" {
		return nil
	}
	return auth.Errorf(auth.ConditionNotMet, "cause: only for logs")
}

// NewGuard returns a guard that admits GoodToken everywhere. It shows its decisions
// to observe, which may be nil.
func NewGuard(observe auth.ObserverFunc) *auth.Guard {
	return &auth.Guard{Authenticator: Authenticator{}, Policy: Everyone{}, Observer: observe}
}

// Service is the name of the service that the tests serve.
const Service = "ostiary.test.v1.EchoService"

// Procedures are its methods, by the shape of their calls.
var Procedures = map[auth.StreamType]string{ //nolint:exhaustive // a byte stream is no RPC
	auth.Unary:        "/" + Service + "/Unary",
	auth.ClientStream: "/" + Service + "/ClientStream",
	auth.ServerStream: "/" + Service + "/ServerStream",
	auth.BidiStream:   "/" + Service + "/BidiStream",
}

// A Handler answers every method, by what the client sent.
type Handler func(ctx context.Context, sent string) (string, error)

// WhoCalls answers with the subject and what the client sent.
func WhoCalls(ctx context.Context, sent string) (string, error) {
	id, ok := auth.FromContext(ctx)
	if !ok {
		return "", errors.New("the handler ran without an identity")
	}
	return id.Subject + " " + sent, nil
}

// NeverCalled returns a handler that fails the test.
func NeverCalled(t *testing.T) Handler {
	return func(context.Context, string) (string, error) {
		t.Error("the handler ran")
		return "", nil
	}
}

// Serve serves on loopback until the test ends, and returns the address.
func Serve(t *testing.T, server *grpc.Server) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ServeOn(t, listener, server)
}

// ServeOn is Serve with a listener of the caller's.
func ServeOn(t *testing.T, listener net.Listener, server *grpc.Server) string {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// A Log is a buffer for several goroutines. The zero value is empty.
type Log struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
