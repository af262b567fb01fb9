package httpauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/internal/loopback"
)

// MetadataPath is where the metadata of a protected resource is (RFC 9728, section
// 3); the path of the resource follows.
const MetadataPath = "/.well-known/oauth-protected-resource"

// ResourceMetadata is what clients can learn of an API before they have a token for
// it: who issues one, and which scopes there are (RFC 9728). It is public.
//
//	metadata := httpauth.ResourceMetadata{
//		Resource:             "https://api.example.com",
//		AuthorizationServers: []string{"https://clerk.example.com"},
//		Scopes:               rules.Scopes(), // policy.Policy's, generated from the rules
//	}
//	url, handler, err := metadata.Handler()
//	guard.ResourceMetadata = url // names it in every challenge
//	mux.Handle(httpauth.MetadataPath, handler)
//	mux.Handle(httpauth.MetadataPath+"/", handler)
type ResourceMetadata struct {
	// Resource is the URL of the API, byte for byte as clients know it: https, or
	// http on a loopback host, without query or fragment. Required.
	Resource string
	// AuthorizationServers are the issuers of the tokens that it accepts.
	AuthorizationServers []string
	// Scopes are those that its methods ask for.
	Scopes []string
}

// Handler returns the URL that the metadata has, which for a resource with a path
// ends with that path, and its handler. The handler serves that URL, and the
// well-known path alone for clients that leave the path of the resource out. Any
// page of a browser may read what it answers, and anybody may keep it for an hour.
//
// The error says what is wrong with Resource.
func (m ResourceMetadata) Handler() (location string, handler http.Handler, err error) {
	at, err := parseResource(m.Resource)
	if err != nil {
		return "", nil, err
	}
	suffix := strings.TrimSuffix(at.EscapedPath(), "/")
	body, err := json.Marshal(struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers,omitempty"`
		ScopesSupported      []string `json:"scopes_supported,omitempty"`
		BearerMethods        []string `json:"bearer_methods_supported"`
	}{m.Resource, m.AuthorizationServers, m.Scopes, []string{"header"}})
	if err != nil {
		return "", nil, err
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		if path := strings.TrimSuffix(r.URL.EscapedPath(), "/"); path != MetadataPath && path != MetadataPath+suffix {
			http.NotFound(w, r)
			return
		}
		writeMetadata(w, r, body)
	}
	return at.Scheme + "://" + at.Host + MetadataPath + suffix, Unguarded(http.HandlerFunc(serve)), nil
}

func parseResource(resource string) (*url.URL, error) {
	at, err := url.Parse(resource)
	switch {
	case err != nil || at.Host == "" || at.Opaque != "":
		return nil, errors.New("the resource is no URL: write it as https://api.example.com")
	case at.Scheme != "https" && (at.Scheme != "http" || !loopback.Host(at.Hostname())):
		return nil, errors.New("the URL of the resource is not https, which all but loopback hosts need (RFC 9728, section 1.2)")
	case at.User != nil || at.RawQuery != "" || at.ForceQuery || at.Fragment != "" || strings.HasSuffix(resource, "#"):
		return nil, errors.New("the URL of the resource has a user, a query or a fragment: leave it out (RFC 9728, section 1.2)")
	}
	return at, nil
}

// writeMetadata answers preflights as well: some clients send headers of their own.
func writeMetadata(w http.ResponseWriter, r *http.Request, body []byte) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Del("Access-Control-Allow-Credentials") // none are needed, and * goes without
	switch {
	case slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method):
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "public, max-age=3600")
		header.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // a client that is gone needs no answer
	case r.Method == http.MethodOptions:
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
	default:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	}
}
