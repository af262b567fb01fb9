package transport

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	connectcors "connectrpc.com/cors"
	"golang.org/x/net/http/httpguts"
)

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
