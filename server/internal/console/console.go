// Package console serves the page for browsers: one page at several paths, its
// files, and the headers that keep it safe.
//
//	err := console.Config{Enabled: true}.Mount(mux)
package console

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/web"
)

// Config says what the page offers. See settings.Console.
type Config struct {
	Enabled        bool
	PublishableKey string
	Personas       bool
	// Version is that of the server.
	Version string
	// Issuers are those that users sign in at with OpenID Connect.
	Issuers []Issuer
	// Now is the clock, and Log for what keeps users from signing in. Both are needed where
	// there are Issuers.
	Now func() time.Time
	Log *slog.Logger
	// Backends returns the URLs of the other servers that the page calls. Default: none.
	Backends func() []string
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
	built, err := web.Console()
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	policy := c.contentSecurityPolicy(nil, nil) // of what is no page it says nothing
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
		index := &index{config: c, signIns: newSignIns(c), content: content}
		for _, page := range pages {
			mux.Handle("GET "+page, index)
			if !strings.HasSuffix(page, "{$}") {
				mux.Handle("GET "+page+"/{$}", toPage(page))
			}
		}
		for _, issuer := range c.Issuers {
			mux.Handle("GET "+CallbackPath(issuer.URL), newCallback(index))
		}
		mux.HandleFunc("GET /console/config.json", index.serveSettings)
		mux.Handle("/", notFound{index})
		return nil
	})
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

// index is the page and what it is told, which both depend on what the issuers say, and on the
// backends.
type index struct {
	config  Config
	signIns *signIns
	content []byte

	mu             sync.Mutex // guards what follows
	offered        []signIn
	backends       []string // origins
	page, settings *file    // as they are with offered and backends; nil at first
}

// files returns the page, and what it is told.
func (i *index) files(r *http.Request) (page, settings *file) {
	offered := i.signIns.offered(r.Context())
	var backends []string
	if i.config.Backends != nil {
		backends = origins(i.config.Backends())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.page == nil || !reflect.DeepEqual(offered, i.offered) || !slices.Equal(backends, i.backends) {
		policy := i.config.contentSecurityPolicy(offered, backends)
		told, _ := json.Marshal(i.config.settings(offered)) // of texts and booleans
		i.offered, i.backends = offered, backends
		i.page, i.settings = newFile("index.html", i.content, policy), newFile("config.json", told, policy)
	}
	return i.page, i.settings
}

func (i *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := i.files(r)
	page.ServeHTTP(w, r)
}

func (i *index) serveSettings(w http.ResponseWriter, r *http.Request) {
	_, settings := i.files(r)
	settings.ServeHTTP(w, r)
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
type notFound struct{ index *index }

func (n notFound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && accepts(r, "Accept", "text/html") {
		page, _ := n.index.files(r)
		page.serveNotFound(w, r)
		return
	}
	http.NotFound(w, r)
}

// settings is what the page asks for first.
type settings struct {
	Version  string       `json:"version"`
	Personas bool         `json:"personas"`
	Clerk    *clerkConfig `json:"clerk,omitempty"`
	SignIns  []signIn     `json:"signIns,omitempty"`
}

type clerkConfig struct {
	PublishableKey string `json:"publishableKey"`
	FrontendAPI    string `json:"frontendApi"`
}

func (c Config) settings(offered []signIn) settings {
	s := settings{Version: c.Version, Personas: c.Personas, SignIns: offered}
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
func (c Config) contentSecurityPolicy(offered []signIn, backends []string) string {
	connect, frames := append([]string{"'self'"}, backends...), []string(nil)
	for _, o := range offered {
		if o.Metadata == nil {
			continue
		}
		connect = append(connect, source(o.Metadata.TokenEndpoint))
		if o.Metadata.RevocationEndpoint != "" {
			connect = append(connect, source(o.Metadata.RevocationEndpoint))
		}
		// The frame in which tokens are renewed ends at the issuer's CallbackPath.
		frames = append(frames, source(o.Metadata.AuthorizationEndpoint))
	}
	if frames != nil {
		frames = append([]string{"'self'"}, frames...)
	}
	directives := []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
	if api := c.frontendAPI(); api != "" {
		// As Clerk's documentation asks: its own host, its images and workers, its
		// styles, and the checks against robots.
		connect = append(connect, api, "https://*.protect.clerk.com:*")
		frames = append(frames, "https://challenges.cloudflare.com", "https://*.protect.clerk.com")
		directives = append(directives,
			"script-src 'self' "+api+" https://challenges.cloudflare.com https://*.protect.clerk.com",
			"connect-src "+strings.Join(connect, " "),
			"img-src 'self' https://img.clerk.com",
			"worker-src 'self' blob:",
			"style-src 'self' 'unsafe-inline'",
			"frame-src "+strings.Join(frames, " "),
			"form-action 'self'",
		)
		return strings.Join(directives, "; ")
	}
	directives = append(directives,
		"script-src 'self'", "connect-src "+strings.Join(connect, " "), "img-src 'self'", "style-src 'self'", "form-action 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'",
	)
	if frames != nil {
		directives = append(directives, "frame-src "+strings.Join(frames, " "))
	}
	return strings.Join(directives, "; ")
}
