package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	gateway "github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A transcript is everything that a server has answered: status, headers, bodies and trailers,
// and what is encoded in them.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// client returns a client whose answers are written down.
func (s *transcript) client(base http.RoundTripper) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := base.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(res.Body) // after which the trailers are there
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintf(&s.text, "%s\n%v\n%s\n%v\n", res.Status, res.Header, body, res.Trailer)
		return res, nil
	})}
}

var encoded = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)

// take returns what was answered since the last time.
func (s *transcript) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text.String()
	s.text.Reset()
	for _, part := range encoded.FindAllString(text, -1) {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if decoded, err := encoding.DecodeString(part); err == nil {
				text += "\n" + string(decoded)
			}
		}
	}
	return text
}

// What the server holds, and callers must not learn.
const (
	heldIssuer   = "https://held-issuer.example.com"
	heldAudience = "https://held-audience.example.com"
	heldParty    = "https://held-party.example.com"
	heldSubject  = "user_held"
)

// refusedTokens are what a guard refuses whose issuer is that of the tokens, by name.
func refusedTokens(issuer *authtest.Issuer) map[string]string {
	now := time.Now()
	good := []authtest.Edit{authtest.With("aud", heldAudience), authtest.With("azp", heldParty), authtest.With("role", "held-role")}
	session := func(edits ...authtest.Edit) string { return issuer.Session(heldSubject, append(good, edits...)...) }
	valid, stranger := session(), authtest.NewKey("RS256")
	parts := strings.Split(valid, ".")
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return map[string]string{
		"none":                         "",
		"no token":                     "hello",
		"two parts":                    parts[0] + "." + parts[1],
		"encrypted":                    "a.b.c.d.e",
		"a header that is no JSON":     part("{") + "." + parts[1] + "." + parts[2],
		"a payload that is no JSON":    issuer.Sign([]byte(`{"alg":"RS256","kid":"`+issuer.Key().ID()+`"}`), []byte("[1")),
		"a claim twice":                issuer.Sign([]byte(`{"alg":"RS256","kid":"`+issuer.Key().ID()+`"}`), []byte(`{"iss":"`+heldIssuer+`","iss":"`+heldIssuer+`"}`)),
		"too large":                    session(authtest.With("pad", strings.Repeat("x", 20_000))),
		"without a signature":          parts[0] + "." + parts[1] + ".",
		"alg none":                     part(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg HS256":                    part(`{"alg":"HS256"}`) + "." + parts[1] + "." + parts[2],
		"another signature":            parts[0] + "." + parts[1] + "." + part(strings.Repeat("x", 256)),
		"another key with its kid":     session(authtest.SignedBy(stranger.WithID(issuer.Key().ID()))),
		"an unknown key":               session(authtest.SignedBy(stranger.WithID("kid-of-a-stranger"))),
		"a critical header":            session(authtest.Header("crit", []string{"exp"})),
		"of another issuer":            session(authtest.With("iss", "https://another.example.com")),
		"an issuer with a slash more":  session(authtest.With("iss", heldIssuer+"/")),
		"no issuer":                    session(authtest.Without("iss")),
		"an issuer that is a number":   session(authtest.With("iss", 1)),
		"expired":                      session(authtest.IssuedAt(now.Add(-time.Hour))),
		"of the future":                session(authtest.IssuedAt(now.Add(time.Hour))),
		"for too long":                 session(authtest.ExpiresIn(1000 * time.Hour)),
		"without exp":                  session(authtest.Without("exp")),
		"exp is a text":                session(authtest.With("exp", "soon")),
		"without a subject":            session(authtest.Without("sub")),
		"of another audience":          session(authtest.With("aud", "https://another.example.com")),
		"of no audience":               session(authtest.Without("aud")),
		"of another party":             session(authtest.With("azp", "https://another.example.com")),
		"of no party":                  session(authtest.Without("azp")),
		"of another kind":              issuer.Machine("mch_held", good...),
		"bound to a key":               session(authtest.With("cnf", map[string]string{"jkt": "held"})),
		"a session that is pending":    session(authtest.With("sts", "pending")),
		"a session that has ended":     session(authtest.With("sid", "sess_held")),
		"a permission that is missing": session(authtest.With("sid", "sess_other")),
	}
}

// answering are servers of the whole library with one guard, by how they are called.
func answering(t *testing.T, guard *auth.Guard, seen *transcript) map[string]func(ctx context.Context, token string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectService{service: new(service)}, connectauth.WithGuard(guard)))
	mux.Handle("GET /export", httpauth.Protect(guard, whoAmI, http.NotFoundHandler()))
	inProcess := gateway.NewServeMux(gatewayauth.WithGuard(guard))
	register(t, inProcess, func(_ http.ResponseWriter, r *http.Request) (context.Context, *identityv1.WhoAmIResponse, error) {
		ctx, err := gateway.AnnotateIncomingContext(r.Context(), inProcess, r, whoAmI)
		if err != nil {
			return ctx, nil, err
		}
		res, err := new(service).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		return ctx, res, err
	})
	mux.Handle("/v1/me", inProcess)
	server := httptest.NewUnstartedServer(httpauth.RequireGuard(guard, mux))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	native := grpcauth.NewServer(guard)
	identityv1.RegisterIdentityServiceServer(native, new(service))
	done := make(chan struct{})
	go func() { defer close(done); _ = native.Serve(listener) }()
	t.Cleanup(func() { native.Stop(); <-done })

	overTLS := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	plain := &http.Transport{Protocols: new(http.Protocols)}
	plain.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(overTLS.CloseIdleConnections)
	t.Cleanup(plain.CloseIdleConnections)
	call := func(base http.RoundTripper, url string, options ...connect.ClientOption) func(context.Context, string) {
		client := identityv1connect.NewIdentityServiceClient(seen.client(base), url, options...)
		return func(ctx context.Context, token string) {
			ctx, info := connect.NewClientContext(ctx)
			setBearer(info.RequestHeader(), token)
			if _, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err == nil {
				t.Error("it is not refused")
			}
			streaming, info := connect.NewClientContext(ctx)
			setBearer(info.RequestHeader(), token)
			stream, err := client.WatchIdentity(streaming, &identityv1.WatchIdentityRequest{})
			if err != nil {
				return
			}
			if stream.Receive() {
				t.Error("the stream is not refused")
			}
			_ = stream.Close()
		}
	}
	fetch := func(path string) func(context.Context, string) {
		return func(ctx context.Context, token string) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			setBearer(req.Header, token)
			res, err := seen.client(overTLS).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
				t.Errorf("status %d", res.StatusCode)
			}
		}
	}
	return map[string]func(context.Context, string){
		"Connect":         call(overTLS, server.URL),
		"Connect in JSON": call(overTLS, server.URL, connect.WithProtoJSON()),
		"gRPC":            call(overTLS, server.URL, connect.WithGRPC()),
		"gRPC-Web":        call(overTLS, server.URL, connect.WithGRPCWeb()),
		"grpc-go":         call(plain, "http://"+listener.Addr().String(), connect.WithGRPC()),
		"net/http":        fetch("/export"),
		"the gateway":     fetch("/v1/me"),
	}
}

func setBearer(header http.Header, token string) {
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
}

// TestRefusalsSayNothingOfWhatTheServerHolds sends each token over each transport, and searches
// everything that comes back.
func TestRefusalsSayNothingOfWhatTheServerHolds(t *testing.T) {
	t.Parallel()
	needs := &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllPermissions: []string{"org:notes:read"}}}}
	guard, issuer := authtest.GuardFor(t, token.Issuer{
		URL: heldIssuer, Profile: token.Clerk(), Audiences: []string{heldAudience}, AuthorizedParties: []string{heldParty},
	}, policy.Configured("/etc/held/ostiary.yaml", whoAmI, needs), policy.Configured("/etc/held/ostiary.yaml", watch, needs))
	list := revocation.New(revocation.Config{})
	if err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: heldIssuer, ID: "sess_held"}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var last auth.Reason
	reasons := make(map[auth.Reason]bool)
	guard.Revocations, guard.Observer = list, auth.ObserverFunc(func(_ context.Context, d auth.Decision) {
		mu.Lock()
		defer mu.Unlock()
		last = d.Refusal.Reason
		reasons[last] = true
	})
	held := []string{
		heldIssuer, "held-issuer", heldAudience, "held-audience", heldParty, "held-party", heldSubject, "mch_held", "sess_held", "held-role", "/etc/held",
		issuer.Key().ID(), runtime.Version(), grpc.Version, connect.Version, ".go:", "goroutine", "/root/", "interceptors/",
	}
	seen := new(transcript)
	transports := answering(t, guard, seen)
	for name, refused := range refusedTokens(issuer) {
		for transport, send := range transports {
			send(t.Context(), refused)
			answer := seen.take()
			mu.Lock()
			reason := last.String()
			mu.Unlock()
			if !strings.Contains(answer, reason) { // so that what is encoded is searched, too
				t.Errorf("%s, %s: the caller does not learn %s:\n%s", transport, name, reason, answer)
			}
			for _, secret := range held {
				if strings.Contains(answer, secret) {
					t.Errorf("%s, %s: the caller learns %q:\n%s", transport, name, secret, answer)
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reasons) < 15 {
		t.Errorf("the tokens are refused for %d reasons, %v; want more kinds", len(reasons), reasons)
	}
}
