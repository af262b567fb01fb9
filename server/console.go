package server

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/web"
)

// A Console is the page at / on which users see who they are, which sessions
// they have, and what they may call. The zero value serves none.
//
// The page is for the users of this server, and calls nothing else: it has a
// strict Content-Security-Policy, in which Clerk is allowed only where a
// PublishableKey is given.
type Console struct {
	// Enabled serves the page.
	Enabled bool
	// PublishableKey is Clerk's, for signing in on the page. Without one, and
	// without Personas, users paste a token.
	PublishableKey string
	// Personas are offered for signing in. The development issuer must then be
	// among the Routes.
	Personas bool
}

func (c Console) faults() error {
	if !c.Enabled || c.PublishableKey == "" {
		return nil
	}
	_, err := token.ClerkIssuer(c.PublishableKey)
	return err
}

// consolePages are the paths that the page shows something different at.
var consolePages = [...]string{"/{$}", "/sessions", "/access", "/try"}

// mount adds the page to mux.
func (c Console) mount(mux *http.ServeMux) error {
	if !c.Enabled {
		return nil
	}
	policy := c.contentSecurityPolicy()
	console, err := web.Console()
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	err = fs.WalkDir(console, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(console, name)
		if err != nil {
			return err
		}
		if name != "index.html" {
			mux.Handle("GET /"+name, newConsoleFile(name, content, policy))
			return nil
		}
		index := newConsoleFile(name, content, policy)
		for _, page := range consolePages {
			mux.Handle("GET "+page, index)
			if !strings.HasSuffix(page, "{$}") {
				mux.Handle("GET "+page+"/{$}", toPage(page))
			}
		}
		mux.Handle("/", nowhere{index})
		return nil
	})
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	config, err := json.Marshal(c.config())
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	mux.Handle("GET /console/config.json", newConsoleFile("config.json", config, policy))
	return nil
}

// toPage sends whoever has written a slash after the page's path to the page.
func toPage(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page := url.URL{Path: path, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, page.String(), http.StatusMovedPermanently)
	}
}

// nowhere answers at every path that nothing else does: people with the page,
// which says so and knows the way home, and programs shortly.
type nowhere struct{ index *consoleFile }

func (n nowhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && accepts(r, "Accept", "text/html") {
		n.index.serveNotFound(w, r)
		return
	}
	http.NotFound(w, r)
}

// consoleConfig is what the page asks for first.
type consoleConfig struct {
	Personas bool         `json:"personas"`
	Clerk    *clerkConfig `json:"clerk,omitempty"`
}

type clerkConfig struct {
	PublishableKey string `json:"publishableKey"`
	FrontendAPI    string `json:"frontendApi"`
}

func (c Console) config() consoleConfig {
	config := consoleConfig{Personas: c.Personas}
	if api := c.frontendAPI(); api != "" {
		config.Clerk = &clerkConfig{PublishableKey: c.PublishableKey, FrontendAPI: api}
	}
	return config
}

// frontendAPI is where Clerk serves its code and its API to browsers, which is
// its issuer too; empty without Clerk.
func (c Console) frontendAPI() string {
	api, err := token.ClerkIssuer(c.PublishableKey)
	if err != nil {
		return "" // there is no key: Faults has refused those that are none
	}
	return api
}

// contentSecurityPolicy allows what the page needs and nothing else (W3C,
// Content Security Policy Level 3).
func (c Console) contentSecurityPolicy() string {
	directives := []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
	if api := c.frontendAPI(); api != "" {
		// As Clerk's documentation asks: its own host, its images and workers, its
		// styles, and the checks against robots.
		directives = append(directives,
			"script-src 'self' "+api+" https://challenges.cloudflare.com https://*.protect.clerk.com",
			"connect-src 'self' "+api+" https://*.protect.clerk.com:*",
			"img-src 'self' https://img.clerk.com",
			"worker-src 'self' blob:",
			"style-src 'self' 'unsafe-inline'",
			"frame-src https://challenges.cloudflare.com https://*.protect.clerk.com",
			"form-action 'self'",
		)
	} else {
		directives = append(directives,
			"script-src 'self'", "connect-src 'self'", "img-src 'self'", "style-src 'self'", "form-action 'none'",
			"require-trusted-types-for 'script'", "trusted-types 'none'",
		)
	}
	return strings.Join(directives, "; ")
}
