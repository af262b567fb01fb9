package server

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/server/internal/schemas"
	"github.com/ostiary/ostiary/server/settings"
)

// readBackends reads the images of the Backends.
func readBackends(c settings.Config) ([]schemas.Backend, error) {
	backends := make([]schemas.Backend, len(c.Backends))
	for i, b := range c.Backends {
		backends[i] = schemas.Backend{Name: b.Name, URL: strings.TrimRight(b.URL, "/"), Reflection: strings.TrimRight(b.Reflection, "/")}
		if b.Image == "" {
			continue
		}
		var err error
		if backends[i].Schema, err = schemas.ReadImage(b.Image, c.Now); err != nil {
			return nil, fmt.Errorf("backends[%d].image: %w", i, err)
		}
	}
	return backends, nil
}

// showBackends has the AccessService show what is known of the backends now.
func (s *Server) showBackends() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	access, err := newAccessService(s.rules.Load(), s.backends.States(), s.operators, s.followers)
	if err != nil {
		s.log.Error("the rules of the backends cannot be shown", "error", err)
		return
	}
	s.access.Store(access)
}

// backendURLs are where the console's page calls the backends.
func (s *Server) backendURLs() []string {
	var urls []string
	for _, state := range s.backends.States() {
		if state.URL != "" {
			urls = append(urls, state.URL)
		}
	}
	return urls
}
