package interceptors_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// TestAChallengeSaysWhatToAskFor compares the text of the header, which every
// protocol sends alike.
func TestAChallengeSaysWhatToAskFor(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	cases := []struct {
		name, service string
		header        http.Header
		code          string
		reason        auth.Reason
		challenge     string
	}{
		{
			"a stranger", authenticated, nil,
			"unauthenticated", auth.TokenMissing,
			`Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a stranger where a scope is asked for", scopedOnly, nil,
			"unauthenticated", auth.TokenMissing,
			`Bearer scope="email", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a token that is no good", authenticated, bearer(k.forged()),
			"unauthenticated", auth.SignatureInvalid,
			`Bearer error="invalid_token", error_description="SIGNATURE_INVALID", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a token without the scope", scopedOnly, bearer(k.wide.OAuth(ada, authtest.With("scope", "profile"))),
			"permission_denied", auth.ScopeRequired,
			`Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", scope="email", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a user of an OpenID provider, verified too long ago", freshOnly, bearer(k.access()),
			"unauthenticated", auth.ReverificationRequired,
			`Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", max_age="600", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a user of Clerk's, verified too long ago", freshOnly, bearer(k.session(authtest.With("fva", []int{10, 0}))),
			"permission_denied", auth.ReverificationRequired,
			`Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", max_age="600", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		},
		{
			"a caller whom no token helps", adminsOnly, bearer(k.session()),
			"permission_denied", auth.RoleRequired,
			``,
		},
	}
	guard := k.guard(t)
	guard.ResourceMetadata = "https://api.example.com/.well-known/oauth-protected-resource"
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			call := transport.start(t, guard, new(service))
			for _, c := range cases {
				got := call(t.Context(), attempt{service: c.service, header: c.header, body: hello})
				if !got.refused || got.reason != c.reason || got.code != c.code {
					t.Errorf("%s: %s, %v (%t); want %s, %v", c.name, got.code, got.reason, got.refused, c.code, c.reason)
				}
				if want := c.challenge; got.challenge != want && !transport.noChallenge {
					t.Errorf("%s: WWW-Authenticate\n%s\nwant\n%s", c.name, got.challenge, want)
				}
			}
		})
	}
}

// TestARefusalDoesNotWaitForTheBody makes calls whose body never comes. They use
// HTTP/2: over HTTP/1.1 net/http itself waits, to throw away what still comes.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	guard := k.guard(t)
	for _, call := range []struct {
		contentType string
		methods     []string
	}{
		{contentType: "application/proto", methods: []string{unary}},
		{contentType: "application/connect+proto", methods: []string{clientStream, serverStream, bidiStream}},
		{contentType: "application/grpc", methods: []string{unary, clientStream, serverStream, bidiStream}},
		{contentType: "application/grpc-web", methods: []string{unary, clientStream, serverStream, bidiStream}},
		{contentType: "application/octet-stream", methods: []string{plain}},
	} {
		for _, method := range call.methods {
			t.Run(call.contentType+", "+method, func(t *testing.T) {
				t.Parallel()
				s, w := new(service), new(witness)
				url := serveHTTP(t, everything(observed(guard, w), s)) + procedure(authenticated, method)
				postWithoutBody(t, newHTTPClient(t, "HTTP 2"), url, call.contentType)
				assertNeverRan(t, s, w)
			})
		}
	}
	for _, method := range []string{unary, clientStream, serverStream, bidiStream} {
		t.Run("grpc-go, "+method, func(t *testing.T) {
			t.Parallel()
			s, w := new(service), new(witness)
			conn := dialGRPC(t, serveGRPC(t, observed(guard, w), s, true))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure(authenticated, method))
			if err != nil {
				t.Fatal(err)
			}
			err = stream.RecvMsg(new(wrapperspb.StringValue))
			if reason, _ := grpcauth.ReasonOf(err); reason != auth.TokenMissing {
				t.Errorf("reason %v; want %v (%v)", reason, auth.TokenMissing, err)
			}
			assertNeverRan(t, s, w)
		})
	}
}

func everything(guard *auth.Guard, s *service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", newConnectMux(guard, s))
	at := procedure(authenticated, plain)
	mux.Handle(at, httpauth.Protect(guard, at, handleHTTP(s)))
	return mux
}

// postWithoutBody returns when the answer's header is there.
func postWithoutBody(t *testing.T, client *http.Client, url, contentType string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body, never := io.Pipe()
	defer func() { _ = never.Close() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func assertNeverRan(t *testing.T, s *service, w *witness) {
	t.Helper()
	if s.ran.Load() != 0 {
		t.Error("the handler ran")
	}
	missing := func(d auth.Decision) bool { return d.Refusal != nil && d.Refusal.Reason == auth.TokenMissing }
	if seen := w.take(); len(seen) != 1 || !slices.ContainsFunc(seen, missing) {
		t.Errorf("decisions %v; want one refusal for %v", seen, auth.TokenMissing)
	}
}

// fragileRevocations panic in Revoked or in Watch.
type fragileRevocations struct{ watch bool }

func (f fragileRevocations) Revoked(*auth.Identity) error {
	if !f.watch {
		panic("boom")
	}
	return nil
}

func (f fragileRevocations) Watch(func()) func() {
	if f.watch {
		panic("boom")
	}
	return func() {}
}

// A fragileRule panics when it is asked for the terms of a stream.
type fragileRule struct{}

func (fragileRule) Rule(string) auth.Rule { return fragileRule{} }

func (fragileRule) Check(*auth.Identity) error { return nil }

func (fragileRule) Stream() auth.StreamTerms { panic("boom") }

// TestAPanicIsOurFailureEverywhere has everything that the guard calls panic.
func TestAPanicIsOurFailureEverywhere(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		unaryCall := transport.method == unary || transport.method == get
		for name, tt := range map[string]struct {
			spoil       func(*auth.Guard)
			streamsOnly bool
		}{
			"Revocations.Revoked": {func(g *auth.Guard) { g.Revocations = fragileRevocations{} }, false},
			"Revocations.Watch":   {func(g *auth.Guard) { g.Revocations = fragileRevocations{watch: true} }, true},
			"StreamRule.Stream":   {func(g *auth.Guard) { g.Policy = fragileRule{} }, true},
			"Observer": {func(g *auth.Guard) {
				g.Observer = auth.ObserverFunc(func(context.Context, auth.Decision) { panic("boom") })
			}, false},
		} {
			if unaryCall && tt.streamsOnly {
				continue
			}
			t.Run(transport.name+", "+name, func(t *testing.T) {
				t.Parallel()
				k, s := newHeldKit(t), new(service)
				guard := observed(k.guard, nil)
				tt.spoil(guard)
				call := transport.start(t, guard, s)
				got := call(t.Context(), attempt{service: authenticated, header: bearer(k.session), body: hello})
				if !got.refused || got.reason != auth.AuthFailure || s.ran.Load() != 0 {
					t.Errorf("%+v after %d runs of the handler; want %v", got, s.ran.Load(), auth.AuthFailure)
				}
			})
		}
	}
}
