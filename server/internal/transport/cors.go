package transport

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
	"golang.org/x/net/http/httpguts"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logsample"
)

// preflightMaxAge is how long a browser may remember a preflight. Two hours is
// the longest that Chromium honours; Firefox allows a day.
const preflightMaxAge = 2 * time.Hour

// CORS says which web pages may call. See server.CORS.
type CORS struct {
	AllowedOrigins     []string
	AllowedHeaders     []string
	WithoutCredentials bool
}

// OriginFaults returns what is wrong with AllowedOrigins.
func (c CORS) OriginFaults() []error {
	var faults []error
	for _, pattern := range c.AllowedOrigins {
		if pattern == "*" {
			continue
		}
		if err := CheckOrigin(pattern); err != nil {
			faults = append(faults, fmt.Errorf("%q is not an origin: %w", pattern, err))
		}
	}
	return faults
}

// Middleware answers preflights and adds the headers of CORS. Without origins it
// does nothing. It logs the origins, methods and headers that it refuses: browsers hide
// from a page why its call failed.
func (c CORS) Middleware(strangers *logsample.Sampler) Middleware {
	if len(c.AllowedOrigins) == 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	headers, methods, log := c.requestHeaders(), connectcors.AllowedMethods(), strangers.Logger
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			// rs/cors answers with every Origin header it was sent, so more
			// than one is none. It adds Vary: Origin by itself.
			allowed := len(r.Header["Origin"]) == 1 && c.allows(origin)
			// Only a preflight proves that the page is of another origin.
			if r.Header.Get("Access-Control-Request-Method") == "" {
				return allowed, nil
			}
			method, refused := r.Header.Get("Access-Control-Request-Method"), refusedHeaders(r, headers)
			if allowed && slices.Contains(methods, method) && len(refused) == 0 || !strangers.Admit(r.Context(), slog.LevelInfo, "preflight", r.RemoteAddr) {
				return allowed, nil
			}
			from := fmt.Sprintf("%.200s", origin)
			switch {
			case !allowed:
				log.InfoContext(r.Context(), "a page of another origin was refused",
					"origin", from, "remedy", "add it to cors_allowed_origins if it is yours")
			case !slices.Contains(methods, method):
				log.InfoContext(r.Context(), "a page was refused for the method of its call", "method", fmt.Sprintf("%.20s", method),
					"origin", from, "remedy", "call with "+strings.Join(methods, " or "))
			default:
				log.InfoContext(r.Context(), "a page was refused for the headers of its call", "headers", strings.Join(refused, ","),
					"origin", from, "remedy", "add them to cors_allowed_headers if the page needs them")
			}
			return allowed, nil
		},
		AllowedMethods:   methods,
		AllowedHeaders:   headers,
		ExposedHeaders:   append(connectcors.ExposedHeaders(), "WWW-Authenticate", auth.RequestIDHeader),
		AllowCredentials: !c.WithoutCredentials,
		MaxAge:           int(preflightMaxAge / time.Second),
	}).Handler
}

func (c CORS) allows(origin string) bool {
	return slices.ContainsFunc(c.AllowedOrigins, func(pattern string) bool {
		return originMatches(pattern, origin)
	})
}

// tracingHeaders are what libraries for tracing add to the calls of a page: W3C
// Trace Context, W3C Baggage, Sentry, and the identifier of a request.
var tracingHeaders = [...]string{"Traceparent", "Tracestate", "Baggage", "Sentry-Trace", "X-Request-Id"}

// requestHeaders are those that a page may add to its calls.
func (c CORS) requestHeaders() []string {
	return slices.Concat(connectcors.AllowedHeaders(), []string{"Authorization"}, tracingHeaders[:], c.AllowedHeaders)
}

// HeaderFaults returns what is wrong with AllowedHeaders.
func (c CORS) HeaderFaults() []error {
	var faults []error
	for _, name := range c.AllowedHeaders {
		switch {
		case name == "*":
			faults = append(faults, errors.New("* is not a header here; name each header"))
		case !httpguts.ValidHeaderFieldName(name):
			faults = append(faults, fmt.Errorf("%q is not a header; write its name alone, such as x-tenant", name))
		}
	}
	return faults
}

// The most that is logged of the headers of one preflight: names, and bytes of
// each.
const (
	maxRefusedHeaders = 8
	maxRefusedName    = 64
)

// refusedHeaders returns the headers that a preflight asks for (Fetch, section
// 3.2.2) and that are not allowed.
func refusedHeaders(preflight *http.Request, allowed []string) []string {
	var refused []string
	for _, list := range preflight.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if name == "" || slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) {
				continue
			}
			if len(refused) == maxRefusedHeaders {
				return append(refused, "...")
			}
			refused = append(refused, fmt.Sprintf("%.*s", maxRefusedName, name))
		}
	}
	return refused
}
