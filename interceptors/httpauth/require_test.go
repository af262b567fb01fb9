package httpauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// around is a middleware, of which nothing is known.
func around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
}

// logged is a middleware as a value of a struct.
type logged struct{ next http.Handler }

func (l logged) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.next.ServeHTTP(w, r) }

func muxOf(pattern string, handler http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	return mux
}

const (
	// noGuard is what the Observer is shown of a handler that has no guard.
	noGuard = "no guard decided about "
	remedy  = ": mount it with connectauth.WithGuard, httpauth.Protect around other middleware, or gatewayauth.WithGuard; or with httpauth.Unguarded if it is for everybody"
)

// TestRequireGuard sends a request to what is mounted in a mux, or in another router. What
// no guard is in front of does not run in a mux, whatever the method of the request.
func TestRequireGuard(t *testing.T) {
	t.Parallel()
	type mount func(guard *auth.Guard, handler http.Handler) http.Handler
	inMux := func(pattern string, wrap mount) mount {
		return func(guard *auth.Guard, handler http.Handler) http.Handler {
			return muxOf(pattern, wrap(guard, handler))
		}
	}
	protect := func(guard *auth.Guard, handler http.Handler) http.Handler {
		return httpauth.Protect(guard, procedure, handler)
	}
	bare := func(_ *auth.Guard, handler http.Handler) http.Handler { return handler }
	const ok, refused, stranger = http.StatusOK, http.StatusInternalServerError, http.StatusUnauthorized
	for _, tt := range []struct {
		name    string
		mount   mount
		request string
		token   string
		status  int
		ran     bool
		cause   string // "" where the Observer sees no AUTH_FAILURE
	}{
		{"a protected handler runs for its caller", inMux("/x", protect), "DELETE /x", guardtest.GoodToken, ok, true, ""},
		{"and for no stranger", inMux("/x", protect), "DELETE /x", "", stranger, false, ""},
		{"one that is for everybody runs for strangers", inMux("/x", func(_ *auth.Guard, h http.Handler) http.Handler {
			return httpauth.Unguarded(h)
		}), "DELETE /x", "", ok, true, ""},
		{"an unguarded handler does not run for strangers", inMux("DELETE /memos/{id}", bare), "DELETE /memos/1", "", refused, false, noGuard + "DELETE /memos/{id}" + remedy},
		{"nor for callers", inMux("DELETE /memos/{id}", bare), "DELETE /memos/1", guardtest.GoodToken, refused, false, noGuard + "DELETE /memos/{id}" + remedy},
		{"nor with a method that is safe", inMux("/x", bare), "GET /x", guardtest.GoodToken, refused, false, noGuard + "/x" + remedy},
		{"a middleware hides the guard", inMux("/x", func(guard *auth.Guard, h http.Handler) http.Handler {
			return around(protect(guard, h))
		}), "GET /x", guardtest.GoodToken, refused, false, noGuard + "/x" + remedy},
		{"whatever the type of the middleware", inMux("/x", func(guard *auth.Guard, h http.Handler) http.Handler {
			return logged{protect(guard, h)}
		}), "GET /x", guardtest.GoodToken, refused, false, noGuard + "/x" + remedy},
		{"which runs at the path of a procedure that the guard guards", inMux("POST /api"+procedure, func(guard *auth.Guard, h http.Handler) http.Handler {
			guard.MarkGuarded(procedure)
			return logged{protect(guard, h)}
		}), "POST /api" + procedure, guardtest.GoodToken, ok, true, ""},
		{"a RequireGuard around the middleware shows it again", inMux("/x", func(guard *auth.Guard, h http.Handler) http.Handler {
			return httpauth.RequireGuard(guard, around(protect(guard, h)))
		}), "POST /x", guardtest.GoodToken, ok, true, ""},
		{"within which what is not guarded is refused", inMux("/x", func(guard *auth.Guard, h http.Handler) http.Handler {
			return httpauth.RequireGuard(guard, around(h))
		}), "POST /x", guardtest.GoodToken, refused, true, noGuard + "/x, whose handler has run" + remedy},
		{"or not even runs", inMux("/x", func(guard *auth.Guard, h http.Handler) http.Handler {
			return httpauth.RequireGuard(guard, muxOf("/x", h))
		}), "POST /x", guardtest.GoodToken, refused, false, noGuard + "/x" + remedy},
		{"a mux within the mux is looked into", inMux("/", func(guard *auth.Guard, h http.Handler) http.Handler {
			return muxOf("/x", protect(guard, h))
		}), "POST /x", guardtest.GoodToken, ok, true, ""},
		{"and what it has unguarded does not run", inMux("/", func(_ *auth.Guard, h http.Handler) http.Handler {
			return muxOf("/x", h)
		}), "POST /x", guardtest.GoodToken, refused, false, noGuard + "/x" + remedy},
		{"another guard decides within a RequireGuard of its own", inMux("/x", func(_ *auth.Guard, h http.Handler) http.Handler {
			other := newGuard(nil)
			return httpauth.RequireGuard(other, muxOf("/x", httpauth.Protect(other, procedure, h)))
		}), "POST /x", guardtest.GoodToken, ok, true, ""},
		{"a handler at the path of a procedure that the guard guards", inMux("POST /api"+procedure, func(guard *auth.Guard, h http.Handler) http.Handler {
			guard.MarkGuarded(procedure) // as connectauth.WithGuard does
			return around(protect(guard, h))
		}), "POST /api" + procedure, guardtest.GoodToken, ok, true, ""},
		{"and one that was only asked for by such a path", inMux("/", func(guard *auth.Guard, h http.Handler) http.Handler {
			guard.MarkGuarded(procedure)
			return h
		}), "POST " + procedure, guardtest.GoodToken, refused, false, noGuard + "/" + remedy},
		{"in another router it has run, and nothing is sent", func(_ *auth.Guard, h http.Handler) http.Handler {
			return around(h)
		}, "DELETE /x", guardtest.GoodToken, refused, true, noGuard + "http.HandlerFunc, whose handler has run" + remedy},
		{"what is not there is not found", inMux("/x", protect), "GET /y", "", http.StatusNotFound, false, ""},
		{"another method is not allowed", inMux("GET /x", protect), "POST /x", "", http.StatusMethodNotAllowed, false, ""},
		{"the mux redirects to a folder", inMux("/x/", protect), "GET /x", "", http.StatusTemporaryRedirect, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var causes []string
			guard := newGuard(func(_ context.Context, d auth.Decision) {
				if d.Refusal != nil && d.Refusal.Reason == auth.AuthFailure {
					causes = append(causes, d.Refusal.Cause.Error())
				}
			})
			ran := false
			handler := tt.mount(guard, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				ran = true
				_, _ = w.Write([]byte("what only callers may read"))
			}))
			method, path, _ := strings.Cut(tt.request, " ")
			request := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
			if tt.token != "" {
				request.Header.Set("Authorization", "Bearer "+tt.token)
			}
			got := httptest.NewRecorder()
			httpauth.RequireGuard(guard, handler).ServeHTTP(got, request)
			if got.Code != tt.status || ran != tt.ran {
				t.Errorf("%d %s, and the handler ran: %t; want %d, %t", got.Code, got.Body, ran, tt.status, tt.ran)
			}
			if cause := strings.Join(causes, "\n"); cause != tt.cause {
				t.Errorf("the Observer was shown %q; want %q", cause, tt.cause)
			}
			if tt.status == refused && (!strings.Contains(got.Body.String(), "AUTH_FAILURE") || strings.Contains(got.Body.String(), "guard")) {
				t.Errorf("the caller gets %s", got.Body)
			}
		})
	}
}

// TestNothingOfAnUnguardedAnswerIsSent by a handler in another router: neither what comes
// with a 404, 405, 415 or 505, nor trailers. What was in the header before stays, such as that of CORS.
func TestNothingOfAnUnguardedAnswerIsSent(t *testing.T) {
	t.Parallel()
	const secret = "what only callers may read"
	for name, tt := range map[string]struct {
		status       int // 0 where the handler sends none
		want         int
		body, header string
	}{
		"404":          {http.StatusNotFound, http.StatusNotFound, "Not Found\n", ""},
		"415":          {http.StatusUnsupportedMediaType, http.StatusUnsupportedMediaType, "Unsupported Media Type\n", ""},
		"505":          {http.StatusHTTPVersionNotSupported, http.StatusHTTPVersionNotSupported, "HTTP Version Not Supported\n", ""},
		"405":          {http.StatusMethodNotAllowed, http.StatusMethodNotAllowed, "Method Not Allowed\n", "POST"},
		"a body alone": {0, http.StatusInternalServerError, "AUTH_FAILURE", ""},
		"200":          {http.StatusOK, http.StatusInternalServerError, "AUTH_FAILURE", ""},
	} {
		for _, http2 := range []bool{false, true} {
			held := httpauth.RequireGuard(newGuard(nil), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				header := w.Header()
				header.Set("X-Secret", secret)
				if tt.header != "" {
					header.Set("Allow", tt.header)
				}
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
				if _, err := w.Write([]byte(secret)); err == nil {
					t.Errorf("%s: the handler could write", name)
				}
				if err := http.NewResponseController(w).Flush(); err == nil {
					t.Errorf("%s: the handler could flush", name)
				}
				header.Set(http.TrailerPrefix+"X-Held", secret)
				w.Header().Set(http.TrailerPrefix+"X-Asked", secret)
			}))
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "*")
				held.ServeHTTP(w, r)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			got, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(got.Body)
			_ = got.Body.Close()
			if err != nil || got.StatusCode != tt.want || !strings.Contains(string(body), tt.body) || got.Header.Get("Allow") != tt.header {
				t.Errorf("%s, HTTP/2 %t: %s, %v %q, %v", name, http2, got.Status, got.Header, body, err)
			}
			if got.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s, HTTP/2 %t: the header of CORS is lost: %v", name, http2, got.Header)
			}
			if sent := fmt.Sprint(got.Header, string(body), got.Trailer); strings.Contains(sent, secret) {
				t.Errorf("%s, HTTP/2 %t: sent %s", name, http2, sent)
			}
		}
	}
}
