// Package console serves the page for browsers: one page at several paths, its
// files, and the headers that keep it safe.
//
//	err := console.Config{Enabled: true}.Mount(mux)
package console

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

// Config says what the page offers. See server.Console.
type Config struct {
	Enabled        bool
	PublishableKey string
	Personas       bool
	// Version is that of the server.
	Version string
}

// Fault returns what is wrong with the publishable key, also where the page is not enabled.
func (c Config) Fault() error {
	if c.PublishableKey == "" {
		return nil
	}
	_, err := token.ClerkIssuer(c.PublishableKey)
	return err
}

// pages are the paths at which the page shows something different.
var pages = [...]string{"/{$}", "/sessions", "/decisions", "/revocations", "/health", "/access", "/token", "/try"}

// Mount adds the page to mux, if it is enabled.
func (c Config) Mount(mux *http.ServeMux) error {
	if !c.Enabled {
		return nil
	}
	policy := c.contentSecurityPolicy()
	built, err := web.Console()
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	err = fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		if name != "index.html" {
			mux.Handle("GET /"+name, newFile(name, content, policy))
			return nil
		}
		index := newFile(name, content, policy)
		for _, page := range pages {
			mux.Handle("GET "+page, index)
			if !strings.HasSuffix(page, "{$}") {
				mux.Handle("GET "+page+"/{$}", toPage(page))
			}
		}
		mux.Handle("/", notFound{index})
		return nil
	})
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	settings, err := json.Marshal(c.settings())
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	mux.Handle("GET /console/config.json", newFile("config.json", settings, policy))
	return nil
}

// toPage redirects a path with a slash at its end to the page.
func toPage(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page := url.URL{Path: path, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, page.String(), http.StatusMovedPermanently)
	}
}

// notFound answers every path that nothing else does: browsers get the page,
// which says so and links home; programs get a short 404.
type notFound struct{ index *file }

func (n notFound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && accepts(r, "Accept", "text/html") {
		n.index.serveNotFound(w, r)
		return
	}
	http.NotFound(w, r)
}

// settings is what the page asks for first.
type settings struct {
	Version  string       `json:"version"`
	Personas bool         `json:"personas"`
	Clerk    *clerkConfig `json:"clerk,omitempty"`
}

type clerkConfig struct {
	PublishableKey string `json:"publishableKey"`
	FrontendAPI    string `json:"frontendApi"`
}

func (c Config) settings() settings {
	s := settings{Version: c.Version, Personas: c.Personas}
	if api := c.frontendAPI(); api != "" {
		s.Clerk = &clerkConfig{PublishableKey: c.PublishableKey, FrontendAPI: api}
	}
	return s
}

// frontendAPI is where Clerk serves its code and its API to browsers, which is
// its issuer too; empty without Clerk.
func (c Config) frontendAPI() string {
	api, err := token.ClerkIssuer(c.PublishableKey)
	if err != nil {
		return "" // no key is given: Fault refuses those that are none
	}
	return api
}

// contentSecurityPolicy allows what the page needs and nothing else (W3C,
// Content Security Policy Level 3).
func (c Config) contentSecurityPolicy() string {
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
