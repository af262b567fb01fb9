package connectauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/internal/loopback"
)

// WithToken sends a token of the source with every call of a client, streams
// too, as Authorization: Bearer (RFC 6750, section 2.1):
//
//	const api = "https://api.example.com"
//	client := invoicev1connect.NewInvoiceServiceClient(http.DefaultClient, api, connectauth.WithToken(api, source))
//
// Give it the same URL as the client. An option of connect cannot see whether calls
// are encrypted, so the URL decides: with http, only calls to localhost or a loopback
// address get a token. Calls to another host are refused.
//
// What would put a token at risk fails before anything is sent, with
// [connect.CodeFailedPrecondition]: plaintext, another host, an unusable URL. A
// source that fails makes the call fail with [connect.CodeUnauthenticated], or
// with the code of its context's error.
//
// The source alone decides: an Authorization header that the call has already
// is replaced, and taken away when the source gives an empty token.
//
// Redirects are net/http's affair; see [RefuseRedirects].
func WithToken(baseURL string, source authclient.TokenSource, options ...TokenOption) connect.ClientOption {
	var config tokenConfig
	for _, option := range options {
		option.apply(&config)
	}
	i := &tokenInterceptor{source: source}
	i.host, i.fault = config.check(baseURL, source)
	return connect.WithInterceptors(i)
}

// A TokenOption changes when [WithToken] sends a token.
type TokenOption interface{ apply(*tokenConfig) }

// InsecureAllowPlaintext sends tokens over plaintext to any host. Anybody on the
// network path can then read and use a token. Use it only in a network where every
// link is encrypted by other means.
func InsecureAllowPlaintext() TokenOption { return allowPlaintext{} }

type allowPlaintext struct{}

func (allowPlaintext) apply(to *tokenConfig) { to.plaintext = true }

// RefuseRedirects is a value for the CheckRedirect of an http.Client that calls
// with a token. No RPC server redirects, but an http.Client that is redirected
// repeats the token to other ports and subdomains of the same host, and
// over plaintext where the redirect says http.
func RefuseRedirects(*http.Request, []*http.Request) error {
	return errors.New("refuse to follow a redirect of an RPC: it could carry the token elsewhere; call the server by its own URL")
}

type tokenConfig struct{ plaintext bool }

// check returns the host that may be called with a token.
func (c *tokenConfig) check(baseURL string, source authclient.TokenSource) (string, error) {
	if source == nil {
		return "", errors.New("connectauth.WithToken: the token source is nil; give it one, such as authclient.StaticToken")
	}
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" {
		return "", errors.New("connectauth.WithToken: the base URL cannot be used; give it the client's own, such as https://api.example.com")
	}
	switch base.Scheme {
	case "https":
		return base.Host, nil
	case "http":
		if c.plaintext || loopback.Host(base.Hostname()) {
			return base.Host, nil
		}
		return "", fmt.Errorf("refuse to send a token to %s in plaintext: use https, or connectauth.InsecureAllowPlaintext where the network encrypts", base.Host)
	default:
		return "", fmt.Errorf("connectauth.WithToken: the base URL has the scheme %q; use https, or http for loopback", base.Scheme)
	}
}
