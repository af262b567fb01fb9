package settings

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// ResourceMetadata is what OAuth clients can learn of the server without a token.
func (c Config) ResourceMetadata(scopes []string) httpauth.ResourceMetadata {
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
	_, _, err := c.ResourceMetadata(nil).Handler()
	return err
}
