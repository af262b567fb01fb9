package served_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/served"
)

// TestMain is the child too: this program is the one that Start starts.
func TestMain(m *testing.M) {
	if served.IsChild(os.Args[1:]) {
		if err := served.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var ways = []struct {
	transport served.Transport
	protocol  served.Protocol
	guards    []served.Guard
}{
	{served.Connect, served.ProtocolConnect, []served.Guard{served.None, served.Ours, served.OursCold, served.Authn, served.Clerk}},
	{served.Connect, served.ProtocolGRPC, []served.Guard{served.None, served.Ours, served.OursCold, served.Authn, served.Clerk}},
	{served.GRPC, served.ProtocolNative, []served.Guard{served.None, served.Ours, served.OursCold, served.GRPCAuth}},
}

// A comparison is worth something only when every guard guards.
func TestEveryGuardGuards(t *testing.T) {
	t.Parallel()
	trusted, stranger := issuer.New("RS256"), issuer.New("RS256")
	for _, way := range ways {
		for _, guard := range way.guards {
			t.Run(fmt.Sprintf("%s over %s with %s", way.transport, way.protocol, guard), func(t *testing.T) {
				t.Parallel()
				process, caller := start(t, served.Config{Transport: way.transport, Guard: guard, Trust: trusted.Trust()}, way.protocol)
				before, err := process.Usage()
				if err != nil {
					t.Fatal(err)
				}
				checkPasses(t, caller, trusted.Token(1))
				checkRefuses(t, caller, guard, "")
				checkRefuses(t, caller, guard, stranger.Token(1))
				after, err := process.Usage()
				if used := after.Since(before); err != nil || used.CPU <= 0 || used.Allocs == 0 {
					t.Errorf("used %+v, %v", used, err)
				}
			})
		}
	}
}

func TestAWatchedStreamEndsWhenItsUserIsRevoked(t *testing.T) {
	t.Parallel()
	iss := issuer.New("EdDSA")
	for _, way := range ways {
		t.Run(fmt.Sprintf("%s over %s", way.transport, way.protocol), func(t *testing.T) {
			t.Parallel()
			process, caller := start(t, served.Config{Transport: way.transport, Guard: served.Ours, Trust: iss.Trust()}, way.protocol)
			ended, err := caller.Watch(t.Context(), iss.Token(1))
			if err != nil {
				t.Fatal(err)
			}
			if held, err := process.Holding(); err != nil || held.Heap <= 0 || held.Stacks <= 0 || held.Goroutines <= 0 {
				t.Errorf("the server holds %+v, %v", held, err)
			}
			if err := process.Revoke([]string{issuer.Subject(1)}); err != nil {
				t.Fatal(err)
			}
			if err := ended(); !served.IsRevoked(err) {
				t.Errorf("the stream ended with %v, want %v", err, auth.TokenRevoked)
			}
			if _, err := caller.Watch(t.Context(), iss.Token(1)); !served.IsRevoked(err) {
				t.Errorf("another was opened with %v, want %v", err, auth.TokenRevoked)
			}
		})
	}
}

func start(t *testing.T, config served.Config, protocol served.Protocol) (*served.Process, served.Caller) {
	t.Helper()
	process, err := served.Start(context.WithoutCancel(t.Context()), config) // Close ends it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Close(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	caller, err := process.Caller(protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	return process, caller
}

func checkPasses(t *testing.T, caller served.Caller, token string) {
	t.Helper()
	if err := served.Many(t.Context(), caller, []string{token}, 20); err != nil {
		t.Errorf("unary: %v", err)
	}
	if err := caller.Receive(t.Context(), token, 3); err != nil {
		t.Errorf("server stream: %v", err)
	}
	if err := caller.Send(t.Context(), token, 3); err != nil {
		t.Errorf("client stream: %v", err)
	}
}

func checkRefuses(t *testing.T, caller served.Caller, guard served.Guard, token string) {
	t.Helper()
	want := codes.Unauthenticated
	switch {
	case guard == served.None:
		want = codes.OK
	case guard == served.Clerk && token == "":
		want = codes.PermissionDenied // 403 is what it answers
	}
	for name, call := range map[string]func() error{
		"unary":         func() error { return caller.Unary(t.Context(), token) },
		"server stream": func() error { return caller.Receive(t.Context(), token, 3) },
		"client stream": func() error { return caller.Send(t.Context(), token, 3) },
	} {
		if got := codeOf(call()); got != want {
			t.Errorf("%s with a token of %d bytes: %v, want %v", name, len(token), got, want)
		}
	}
}

// codeOf reads the code that connect and grpc-go share.
func codeOf(err error) codes.Code {
	if code := connect.CodeOf(err); err != nil && code != connect.CodeUnknown {
		return codes.Code(code)
	}
	return status.Code(err)
}
