package gatewayauth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth/internal/shelfv1"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

const (
	challenge        = `Bearer resource_metadata="` + metadataURL + `"`
	challengeInvalid = `Bearer error="invalid_token", error_description="SIGNATURE_INVALID", resource_metadata="` + metadataURL + `"`
	challengeScope   = `Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", scope="books:burn", resource_metadata="` + metadataURL + `"`
)

// TestGuard has every kind of decision, on the first request to a path and on later ones.
func TestGuard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request, token, body string
		procedure            string
		want                 auth.Reason
		status               int
		challenge            string
	}{
		"no token":                     {"GET /v1/books/a", "", "", shelfv1.ShelfService_GetBook_FullMethodName, auth.TokenMissing, 401, challenge},
		"a token that is not accepted": {"GET /v1/books/a", "bad", "", shelfv1.ShelfService_GetBook_FullMethodName, auth.SignatureInvalid, 401, challengeInvalid},
		"a scope that is missing":      {"DELETE /v1/books/a", guardtest.GoodToken, "", shelfv1.ShelfService_BurnBook_FullMethodName, auth.ScopeRequired, 403, challengeScope},
		// A body that cannot be decoded shows that nobody has tried.
		"a rule that reads the request": {"POST /v1/books", guardtest.GoodToken, "{", shelfv1.ShelfService_AddBook_FullMethodName, auth.AuthFailure, 500, ""},
	} {
		for _, required := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, RequireGuard %t", name, required), func(t *testing.T) {
				t.Parallel()
				seen := make(chan auth.Decision, 2)
				guard := newGuard(t, func(_ context.Context, d auth.Decision) { seen <- d })
				service := new(shelf)
				var handler http.Handler = inProcess(t, service, gatewayauth.WithGuard(guard))
				if required {
					handler = httpauth.RequireGuard(guard, handler)
				}
				url := serve(t, handler)
				for range 2 {
					assertRefused(t, ask(t, url, test.request, test.token, test.body), test.want, test.status, test.challenge)
					decision := <-seen
					if decision.Procedure != test.procedure || decision.Refusal == nil || decision.Refusal.Reason != test.want {
						t.Errorf("the observer saw %v", decision)
					}
					if test.want == auth.AuthFailure && !strings.Contains(decision.Refusal.Cause.Error(), "condition on the request message") {
						t.Errorf("the cause is %v", decision.Refusal.Cause)
					}
				}
				if n := service.calls.Load(); n != 0 || len(seen) > 0 {
					t.Errorf("the service was called %d times, and there are %d further decisions", n, len(seen))
				}
			})
		}
	}
}

func TestTheServiceFindsTheCaller(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	service := new(shelf)
	url := serve(t, httpauth.RequireGuard(guard, inProcess(t, service, gatewayauth.WithGuard(guard))))
	var all sync.WaitGroup
	for range 8 { // several of them are the first
		all.Go(func() { assertBook(t, ask(t, url, "GET /v1/books/ulysses", guardtest.GoodToken, "")) })
	}
	all.Wait()
	if n := service.calls.Load(); n != 8 {
		t.Errorf("the service was called %d times for 8 requests", n)
	}
}

// TestTheProcedureIsTheMethods asks for one method by several spellings.
func TestTheProcedureIsTheMethods(t *testing.T) {
	t.Parallel()
	seen := make(chan auth.Decision, 1)
	guard := newGuard(t, func(_ context.Context, d auth.Decision) { seen <- d })
	url := serve(t, inProcess(t, new(shelf), gatewayauth.WithGuard(guard)))
	for _, path := range []string{"/v1/books/a", "/v1/books/%61", "/v1/books/a?name=b", "/v1/books/acme.shelf.v1.ShelfService"} {
		assertBook(t, ask(t, url, "GET "+path, guardtest.GoodToken, ""))
		if d := <-seen; d.Procedure != shelfv1.ShelfService_GetBook_FullMethodName {
			t.Errorf("%s was decided as %s", path, d.Procedure)
		}
	}
}

func TestANilGuardRefuses(t *testing.T) {
	t.Parallel()
	url := serve(t, inProcess(t, new(shelf), gatewayauth.WithGuard(nil)))
	assertRefused(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""), auth.AuthFailure, 500, "")
}

// TestWhatIsForgottenIsRefused has a mux without a guard, and a handler that is no RPC.
func TestWhatIsForgottenIsRefused(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	mux := inProcess(t, new(shelf))
	url := serve(t, httpauth.RequireGuard(guard, mux))
	if got := ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""); got.status != 500 || !strings.Contains(got.body, "AUTH_FAILURE") {
		t.Errorf("%+v", got)
	}
	mux = inProcess(t, new(shelf), gatewayauth.WithGuard(guard))
	export := func(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
		_, _ = w.Write([]byte("served open"))
	}
	if err := mux.HandlePath(http.MethodGet, "/export", export); err != nil {
		t.Fatal(err)
	}
	url = serve(t, httpauth.RequireGuard(guard, mux))
	for range 2 {
		if got := ask(t, url, "GET /export", "", ""); got.status != 500 || !strings.Contains(got.body, "AUTH_FAILURE") {
			t.Errorf("%+v", got)
		}
	}
	if got := ask(t, url, "GET /nowhere", "", ""); got.status != 404 {
		t.Errorf("%+v", got)
	}
}

// TestAGatewayInAMux has a gateway without a guard, of which nothing runs, and one with.
func TestAGatewayInAMux(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	service := new(shelf)
	mux := http.NewServeMux()
	mux.Handle("/v1/", inProcess(t, service))
	url := serve(t, httpauth.RequireGuard(guard, mux))
	if got := ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""); got.status != 500 || service.calls.Load() != 0 {
		t.Errorf("%+v, and the service was called %d times", got, service.calls.Load())
	}
	mux = http.NewServeMux()
	mux.Handle("/v1/", inProcess(t, service, gatewayauth.WithGuard(guard)))
	url = serve(t, httpauth.RequireGuard(guard, mux))
	assertRefused(t, ask(t, url, "GET /v1/books/a", "", ""), auth.TokenMissing, 401, challenge)
	assertBook(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""))
}

// TestConditionsAreWarnedOf has the methods that a gateway in process cannot serve logged
// when it is made.
func TestConditionsAreWarnedOf(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	var log guardtest.Log
	guard.Logger = slog.New(slog.NewTextHandler(&log, nil))
	runtime.NewServeMux(gatewayauth.WithGuard(guard))
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "procedures=["+shelfv1.ShelfService_AddBook_FullMethodName+"]") {
		t.Errorf("logged %s; want a warning of AddBook alone", got)
	}
}

func TestAServiceCanRefuse(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	for name, test := range map[string]struct {
		err       error
		want      auth.Reason
		status    int
		challenge string
	}{
		"by a refusal":               {auth.Errorf(auth.TokenRevoked, "only for logs"), auth.TokenRevoked, 401, `Bearer error="invalid_token", error_description="TOKEN_REVOKED", resource_metadata="` + metadataURL + `"`},
		"by one that it has wrapped": {fmt.Errorf("look: %w", auth.NewError(auth.RoleRequired, nil)), auth.RoleRequired, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := &shelf{get: func(context.Context) error { return test.err }}
			url := serve(t, inProcess(t, service, gatewayauth.WithGuard(guard)))
			assertRefused(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""), test.want, test.status, test.challenge)
		})
	}
}

func TestAnErrorHandlerOfOnesOwn(t *testing.T) {
	t.Parallel()
	teapot := func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
		w.Header().Set("WWW-Authenticate", "of no use")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "mine: %v", err)
	}
	service := &shelf{get: func(context.Context) error { return auth.NewError(auth.TokenRevoked, nil) }}
	url := serve(t, inProcess(t, service, gatewayauth.WithGuard(newGuard(t, nil)), runtime.WithErrorHandler(gatewayauth.ErrorHandler(teapot))))
	for token, reason := range map[string]auth.Reason{"": auth.TokenMissing, guardtest.GoodToken: auth.TokenRevoked} {
		got := ask(t, url, "GET /v1/books/a", token, "")
		if got.status != http.StatusTeapot || !strings.HasPrefix(got.body, "mine: "+reason.String()) || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%+v", got)
		}
	}
	plain := &shelf{get: func(context.Context) error { return errors.New("no such book") }}
	url = serve(t, inProcess(t, plain, gatewayauth.WithGuard(newGuard(t, nil)), runtime.WithErrorHandler(gatewayauth.ErrorHandler(teapot))))
	if got := ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""); got.header.Get("WWW-Authenticate") != "of no use" {
		t.Errorf("an error that is no refusal was changed: %+v", got)
	}
}

// TestARefusalEndsACallThatRuns revokes the caller while the service works.
func TestARefusalEndsACallThatRuns(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	list := revocation.New(revocation.Config{})
	guard.Revocations = list
	ended := make(chan error, 1)
	service := &shelf{get: func(ctx context.Context) error {
		revokeAda(t, list)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	}}
	url := serve(t, inProcess(t, service, gatewayauth.WithGuard(guard)))
	got := ask(t, url, "GET /v1/books/a", guardtest.GoodToken, "")
	assertRefused(t, got, auth.TokenRevoked, 401, `Bearer error="invalid_token", error_description="TOKEN_REVOKED", resource_metadata="`+metadataURL+`"`)
	if reason, _ := auth.ReasonOf(<-ended); reason != auth.TokenRevoked {
		t.Errorf("the service's context ended for %v", reason)
	}
}

func revokeAda(t *testing.T, list *revocation.List) {
	t.Helper()
	if err := list.Add(revocation.Revocation{Kind: revocation.TargetSubject, Issuer: "https://issuer.test", ID: "ada", Before: time.Now()}); err != nil {
		t.Error(err)
	}
}

// TestOtherMiddlewares has one before the guard, which sees a refusal as an answer, and
// one after it that recovers whatever it can.
func TestOtherMiddlewares(t *testing.T) {
	t.Parallel()
	statuses := make(chan int, 4)
	count := func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
			next(seen, r, params)
			statuses <- seen.status
		}
	}
	guard := newGuard(t, nil)
	url := serve(t, inProcess(t, new(shelf), runtime.WithMiddlewares(count), gatewayauth.WithGuard(guard)))
	assertRefused(t, ask(t, url, "GET /v1/books/a", "", ""), auth.TokenMissing, 401, challenge)
	assertBook(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""))
	if first, second := <-statuses, <-statuses; first != 401 || second != 200 || len(statuses) > 0 {
		t.Errorf("the middleware saw %d and %d, and %d more", first, second, len(statuses))
	}

	recovering := func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			defer func() {
				if p := recover(); p != nil {
					http.Error(w, "recovered", http.StatusInternalServerError)
				}
			}()
			next(w, r, params)
		}
	}
	service := new(shelf)
	url = serve(t, inProcess(t, service, gatewayauth.WithGuard(guard), runtime.WithMiddlewares(recovering)))
	if got := ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""); got.status != 500 || service.calls.Load() != 0 {
		t.Errorf("%+v, and the service was called %d times", got, service.calls.Load())
	}
	assertBook(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""))
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestAHandlerWithoutTheContextOfItsRequest is what the generator makes with
// request_context=false: the service would not find the caller.
func TestAHandlerWithoutTheContextOfItsRequest(t *testing.T) {
	t.Parallel()
	mux := runtime.NewServeMux(gatewayauth.WithGuard(newGuard(t, nil)))
	err := mux.HandlePath(http.MethodGet, "/old", func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		_, _ = runtime.AnnotateIncomingContext(context.Background(), mux, r, shelfv1.ShelfService_GetBook_FullMethodName) //nolint:usetesting // that is the fault
		_, _ = w.Write([]byte("served"))
	})
	if err != nil {
		t.Fatal(err)
	}
	panicked := make(chan any, 1)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			panicked <- recover()
			w.WriteHeader(http.StatusInternalServerError)
		}()
		mux.ServeHTTP(w, r)
	}))
	if got := ask(t, url, "GET /old", guardtest.GoodToken, ""); got.status == http.StatusOK {
		t.Errorf("%+v", got)
	}
	if p := fmt.Sprint(<-panicked); !strings.Contains(p, "request_context=true") {
		t.Errorf("the panic says %s", p)
	}
}

// TestAStreamOfAGuardedGateway revokes the caller of a stream that the gateway dials, at
// a server without a guard.
func TestAStreamOfAGuardedGateway(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	list := revocation.New(revocation.Config{})
	guard.Revocations = list
	service := &shelf{watch: func(ctx context.Context, send func()) error {
		send()
		revokeAda(t, list)
		<-ctx.Done()
		return ctx.Err()
	}}
	url := serve(t, dialling(t, grpc.NewServer(), service, gatewayauth.WithGuard(guard)))
	assertRefused(t, ask(t, url, "GET /v1/books:watch", "", ""), auth.TokenMissing, 401, challenge)
	if got := ask(t, url, "GET /v1/books:watch", guardtest.GoodToken, ""); got.err == nil && got.status == http.StatusOK {
		t.Errorf("the stream ended as if it were whole: %+v", got)
	}
	if n := service.calls.Load(); n != 1 {
		t.Errorf("the server was called %d times", n)
	}
}

// noRules is a Policy without any.
type noRules struct{}

func (noRules) Rule(string) auth.Rule { return nil }

// TestAMethodWithoutARuleIsWarnedOfOnce has strangers call it, who must not fill the log.
func TestAMethodWithoutARuleIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	var log guardtest.Log
	guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: noRules{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	url := serve(t, inProcess(t, &shelf{}, gatewayauth.WithGuard(guard)))
	for range 3 {
		assertRefused(t, ask(t, url, "GET /v1/books/a", "", ""), auth.TokenMissing, 401, "Bearer")
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "procedure="+shelfv1.ShelfService_GetBook_FullMethodName) {
		t.Errorf("logged %s; want one line that names the method", got)
	}
}
