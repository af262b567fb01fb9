package authtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// The paths that an Issuer answers on.
const (
	JWKSPath      = "/.well-known/jwks.json"                  // the key set (RFC 7517, section 5)
	DiscoveryPath = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0, section 4
	MetadataPath  = "/.well-known/oauth-authorization-server" // RFC 8414, section 3
)

// Fetches returns how often the key set was asked for, failures included.
func (iss *Issuer) Fetches() int { return iss.Requests(JWKSPath) }

// Requests returns how often a path was asked for, failures included.
func (iss *Issuer) Requests(path string) int {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	return iss.requests[path]
}

// SetCacheControl sends this Cache-Control header with each document from now
// on. The default, "", sends none.
func (iss *Issuer) SetCacheControl(value string) {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	iss.cacheControl = value
}

// ServeHTTP answers GET and HEAD on the three paths, with an ETag, or as the
// outage has it.
func (iss *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	document, err := iss.document(r.URL.Path)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case document == nil:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}

	iss.mu.Lock()
	iss.requests[r.URL.Path]++
	outage, over, cacheControl := iss.outage, iss.outageOver, iss.cacheControl
	iss.mu.Unlock()

	if cacheControl != "" {
		w.Header().Set("Cache-Control", cacheControl)
	}
	w.Header().Set("Content-Type", "application/json")
	if outage == nil {
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(document)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(over, cancel) //nolint:contextcheck // the outage's own context ends the request too
	defer stop()
	outage(w, r.WithContext(ctx), document)
}

// document returns what a path answers when all is well, or nil for a path that
// is none of ours.
func (iss *Issuer) document(path string) ([]byte, error) {
	switch path {
	case JWKSPath:
		return iss.keySet()
	case DiscoveryPath, MetadataPath:
		return iss.metadata()
	default:
		return nil, nil
	}
}

func (iss *Issuer) keySet() ([]byte, error) {
	iss.Key() // an issuer publishes its key before it signs with it
	set := jwk.NewSet()
	for _, key := range iss.Keys() {
		published, err := key.jwk()
		if err != nil {
			return nil, fmt.Errorf("publish the key %s: %w", key.ID(), err)
		}
		if err := set.AddKey(published); err != nil {
			return nil, fmt.Errorf("publish the key %s: %w", key.ID(), err)
		}
	}
	return json.Marshal(set)
}

// metadata names no authorization or token endpoint: nobody signs in here.
func (iss *Issuer) metadata() ([]byte, error) {
	return json.Marshal(map[string]any{
		"issuer":                                iss.url,
		"jwks_uri":                              iss.JWKSURL(),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{defaultAlgorithm},
	})
}
