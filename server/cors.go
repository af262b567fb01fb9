package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
)

// preflightMaxAge is how long a browser may remember a preflight. Two hours is
// the longest that Chromium honours; Firefox allows a day.
const preflightMaxAge = 2 * time.Hour

// CORS says which web pages may call from a browser. The zero value allows
// none: no CORS header is ever sent.
type CORS struct {
	// AllowedOrigins are compared exactly with the Origin header: scheme, host
	// and port. One label may be a wildcard, the first:
	// https://*.example.com matches https://app.example.com, and neither
	// https://example.com nor https://a.b.example.com. A single * allows every
	// page and is refused unless WithoutCredentials is set. The origin null is
	// never allowed.
	AllowedOrigins []string
	// WithoutCredentials keeps browsers from sending cookies along. Default:
	// credentials are allowed, since origins are exact.
	WithoutCredentials bool
}

// faults returns what is wrong with the settings.
func (c CORS) faults() []error {
	var faults []error
	for _, pattern := range c.AllowedOrigins {
		if pattern == "*" {
			if !c.WithoutCredentials {
				faults = append(faults, errors.New("* with credentials would let every web page call as its visitor; name the origins, or turn off `cors_allow_credentials`"))
			}
			continue
		}
		if err := checkOriginPattern(pattern); err != nil {
			faults = append(faults, fmt.Errorf("%q is not an origin: %w", pattern, err))
		}
	}
	return faults
}

// handler adds CORS to next. Without origins it is next itself. It logs the
// origins that it refuses: browsers hide from a page why its call failed.
func (c CORS) handler(next http.Handler, log *slog.Logger) http.Handler {
	if len(c.AllowedOrigins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			// rs/cors answers with every Origin header it was sent, so more
			// than one is none. It adds Vary: Origin by itself.
			allowed := len(r.Header["Origin"]) == 1 && c.allows(origin)
			// Only a preflight tells for sure that the page is of another origin.
			if !allowed && r.Header.Get("Access-Control-Request-Method") != "" {
				log.InfoContext(r.Context(), "a page of another origin was refused",
					"origin", fmt.Sprintf("%.200s", origin), "remedy", "add it to cors_allowed_origins if it is yours")
			}
			return allowed, nil
		},
		AllowedMethods:   connectcors.AllowedMethods(),
		AllowedHeaders:   append(connectcors.AllowedHeaders(), "Authorization"),
		ExposedHeaders:   append(connectcors.ExposedHeaders(), "WWW-Authenticate"),
		AllowCredentials: !c.WithoutCredentials,
		MaxAge:           int(preflightMaxAge / time.Second),
	}).Handler(next)
}

func (c CORS) allows(origin string) bool {
	return slices.ContainsFunc(c.AllowedOrigins, func(pattern string) bool {
		return originMatches(pattern, origin)
	})
}
