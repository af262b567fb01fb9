package transport

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARequestMeetsAChainInTheOrderInWhichItIsWritten(t *testing.T) {
	t.Parallel()
	var met []string
	meet := func(name string) Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				met = append(met, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	handler := meet("handler")(http.NotFoundHandler())
	Chain(handler, meet("first"), meet("second")).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if got := strings.Join(met, " "); got != "first second handler" {
		t.Errorf("met %s", got)
	}
}

func TestOnlyTheExactSpellingOfAPathIsServed(t *testing.T) {
	t.Parallel()
	served := ExactPaths(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{
		"/":                http.StatusTeapot,
		"/a.Service/Get":   http.StatusTeapot,
		"/sessions/":       http.StatusTeapot, // the mux redirects it to the page
		"//a.Service/Get":  http.StatusNotFound,
		"/a.Service//Get":  http.StatusNotFound,
		"/a.Service/./Get": http.StatusNotFound,
		"/b/../a.Service":  http.StatusNotFound,
	} {
		response := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		request.URL.Path = path
		served.ServeHTTP(response, request)
		if response.Code != want {
			t.Errorf("%s: %d; want %d", path, response.Code, want)
		}
	}
	anything := httptest.NewRequest(http.MethodOptions, "*", http.NoBody)
	response := httptest.NewRecorder()
	if served.ServeHTTP(response, anything); response.Code != http.StatusTeapot {
		t.Errorf("OPTIONS *: %d; want it served", response.Code)
	}
}
