package gatewayauth_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth/internal/shelfv1"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const metadataURL = "https://api.test/.well-known/oauth-protected-resource"

// newGuard returns a guard that admits guardtest.GoodToken, by the rules of the schema.
func newGuard(t testing.TB, observe auth.ObserverFunc) *auth.Guard {
	t.Helper()
	rules, err := policy.New(policy.Linked(), condition.Enable())
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: rules, Observer: observe, ResourceMetadata: metadataURL}
}

// shelf answers with a book of the caller's.
type shelf struct {
	shelfv1.UnimplementedShelfServiceServer

	calls atomic.Int32
	get   func(context.Context) error         // instead of GetBook's answer
	watch func(context.Context, func()) error // sends a book with each call
}

func owned(ctx context.Context, name string) *shelfv1.Book {
	owner := "nobody"
	if id, ok := auth.FromContext(ctx); ok {
		owner = id.Subject
	}
	return &shelfv1.Book{Name: name, Owner: owner}
}

func (s *shelf) GetBook(ctx context.Context, req *shelfv1.GetBookRequest) (*shelfv1.Book, error) {
	s.calls.Add(1)
	if s.get != nil {
		return nil, s.get(ctx)
	}
	return owned(ctx, req.GetName()), nil
}

func (s *shelf) AddBook(ctx context.Context, req *shelfv1.AddBookRequest) (*shelfv1.Book, error) {
	s.calls.Add(1)
	return owned(ctx, req.GetBook().GetName()), nil
}

func (s *shelf) BurnBook(ctx context.Context, req *shelfv1.BurnBookRequest) (*shelfv1.Book, error) {
	s.calls.Add(1)
	return owned(ctx, req.GetName()), nil
}

func (s *shelf) WatchBooks(_ *shelfv1.WatchBooksRequest, stream grpc.ServerStreamingServer[shelfv1.Book]) error {
	s.calls.Add(1)
	send := func() { _ = stream.Send(owned(stream.Context(), "ulysses")) }
	if s.watch != nil {
		return s.watch(stream.Context(), send)
	}
	send()
	return nil
}

// inProcess returns a gateway that calls the service without gRPC.
func inProcess(t testing.TB, service shelfv1.ShelfServiceServer, options ...runtime.ServeMuxOption) *runtime.ServeMux {
	t.Helper()
	mux := runtime.NewServeMux(options...)
	if err := shelfv1.RegisterShelfServiceHandlerServer(context.Background(), mux, service); err != nil { //nolint:usetesting // the handlers have the request's own
		t.Fatal(err)
	}
	return mux
}

// registrar is a grpc.Server, or a grpcauth.Server.
type registrar interface {
	grpc.ServiceRegistrar
	Serve(net.Listener) error
	Stop()
}

// dialling returns a gateway that dials the server in memory.
func dialling(t *testing.T, server registrar, service shelfv1.ShelfServiceServer, options ...runtime.ServeMuxOption) *runtime.ServeMux {
	t.Helper()
	shelfv1.RegisterShelfServiceServer(server, service)
	listener := bufconn.Listen(1 << 20)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///in-process",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	mux := runtime.NewServeMux(options...)
	if err := shelfv1.RegisterShelfServiceHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	return mux
}

// serve serves on loopback and returns the URL.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}

// ask sends a request, such as "GET /v1/books/ulysses".
func ask(t *testing.T, url, request, token, body string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(text), err: err}
}

// assertRefused checks a refusal in the form of the gateway's errors.
func assertRefused(t *testing.T, got answer, want auth.Reason, status int, challenge string) {
	t.Helper()
	type failure struct {
		Code    int
		Details []struct {
			Type           string `json:"@type"`
			Reason, Domain string
			Links          []struct{ URL string }
		}
	}
	var sent struct {
		failure
		Error failure // of a stream
	}
	if err := json.Unmarshal([]byte(got.body), &sent); err != nil {
		t.Fatalf("status %d, body %q: %v", got.status, got.body, err)
	}
	if sent.Error.Code != 0 {
		sent.failure = sent.Error
	}
	if got.status != status || sent.Code != int(want.Code()) {
		t.Errorf("status %d, code %d; want %d, %d", got.status, sent.Code, status, want.Code())
	}
	if len(sent.Details) < 2 || sent.Details[0].Reason != want.String() || sent.Details[0].Domain != auth.ErrorDomain {
		t.Fatalf("the body is %s, want reason %s and more", got.body, want)
	}
	if links := sent.Details[1].Links; len(links) != 1 || links[0].URL != auth.HelpFor(want.String()).GetLinks()[0].GetUrl() {
		t.Errorf("the body is %s, want a link to the entry of %s", got.body, want)
	}
	if values := got.header.Values("WWW-Authenticate"); strings.Join(values, "|") != challenge {
		t.Errorf("the challenge is %q, want %q", values, challenge)
	}
	if got.header.Get("Cache-Control") != "no-store" && sent.Error.Code == 0 {
		t.Errorf("a cache may keep the refusal: %v", got.header)
	}
}

// assertBook checks an answer with a book of ada's.
func assertBook(t *testing.T, got answer) {
	t.Helper()
	if got.err != nil || got.status != http.StatusOK || !strings.Contains(strings.ReplaceAll(got.body, " ", ""), `"owner":"ada"`) {
		t.Errorf("%+v, want a book of ada's", got)
	}
}
