package server

import (
	"net/http"
	"strings"

	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// metadata is what OAuth clients can learn of the server without a token.
func (c Config) metadata(scopes []string) httpauth.ResourceMetadata {
	m := httpauth.ResourceMetadata{Resource: c.ResourceURL, Scopes: scopes}
	for _, issuer := range c.Issuers {
		if strings.HasPrefix(issuer.URL, "https://") || strings.HasPrefix(issuer.URL, "http://") { // others are no authorization server
			m.AuthorizationServers = append(m.AuthorizationServers, issuer.URL)
		}
	}
	return m
}

func (c Config) checkResourceURL() error {
	if c.ResourceURL == "" {
		return nil
	}
	_, _, err := c.metadata(nil).Handler()
	return err
}

// buildMetadata has the guard name the metadata in its challenges.
func (s *Server) buildMetadata(scopes []string) (err error) {
	if s.config.ResourceURL == "" {
		return nil
	}
	s.guard.ResourceMetadata, s.metadata, err = s.config.metadata(scopes).Handler()
	return err
}

// serveMetadata answers for everybody, before CORS: a client may come from any page.
func (s *Server) serveMetadata(next http.Handler) http.Handler {
	if s.metadata == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == httpauth.MetadataPath || strings.HasPrefix(path, httpauth.MetadataPath+"/") {
			s.metadata.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
